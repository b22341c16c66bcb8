"""The 135M shape in PyTorch's transformers on the GPU: generated tokens per second, prefill included, as one line of JSON."""

import json
import statistics
import sys
import time

import torch
import transformers

batches, prompt_tokens, new_tokens, rounds = json.loads(sys.argv[1])
config = transformers.LlamaConfig(
    hidden_size=576,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    intermediate_size=1536,
    vocab_size=49152,
    max_position_embeddings=2048,
    tie_word_embeddings=True,
)
model = transformers.LlamaForCausalLM(config).to(torch.bfloat16).cuda().eval()
speeds = []
for batch in batches:
    prompt = torch.randint(5, config.vocab_size, (batch, prompt_tokens)).cuda()
    times = []
    for round in range(rounds + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=0,
        )
        torch.cuda.synchronize()
        if round > 0:  # the first one warms up
            times.append(time.perf_counter() - started)
    speeds.append({"batch": batch, "tokensPerSecond": batch * new_tokens / statistics.median(times)})
versions = f"PyTorch {torch.__version__}, transformers {transformers.__version__}, bfloat16"
print(json.dumps({"speeds": speeds, "versions": versions}))
