"""Train the encoder on one GPU.

    python3 train.py CORPORA OUT [--tokenizer FILE] [--resume FILE] [--mlm-minutes M] [--pair-minutes M] [--baselines] [--compile]

CORPORA holds children-{train,valid}.txt.xz and what collect.py wrote. Writes OUT/{tokenizer.json, config.json,
weights.safetensors, report.json}. First words are guessed from their neighbours (masked language model), then pairs of texts that
belong together are told from others (InfoNCE), and graded pairs are brought into order (CoSENT).
"""
import argparse, copy, json, math, random, time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

import baselines, compose, data, evaluate
from model import CONFIG, Encoder, Layer

TASKS = dict(same=2.0, next=1.5, crop=1.5, passage=4.0, heading=0.8, variant=0.8, gloss=1.5, word=0.8, parent=0.4, example=0.3, topic=0.4, bag=0.4,
             within=2.5, graded=1.2, ladder=1.2, taught=1.5)
PAIR_LIMIT = dict(heading=160, variant=64, gloss=48, word=24, parent=64, example=48, topic=32, bag=48)
TEMPERATURE, SHARP, EMA = 0.05, 0.04, 0.999  # SHARP: where the words themselves decide


class Teacher:
    """Averaged token vectors: shifted positive PMI and its leading singular vectors, rare tokens weighing more, the common direction taken away."""

    def __init__(self, corpus, vocab, size=320):
        flat = corpus.spans.flat; row = torch.searchsorted(corpus.spans.end, torch.arange(len(flat), device="cuda"), right=True)
        self.table, self.counts = baselines.ppmi_vectors(flat, row, vocab, size), torch.bincount(flat, minlength=vocab).float()
        self.weight = 1e-3 / (1e-3 + self.counts / self.counts.sum()); self.weight[:5] = 0; self.common = None
        pick = corpus.pick[torch.randint(len(corpus.pick), (20000,), device="cuda")]; s = corpus.spans
        at = s.start[pick][:, None] + torch.arange(32, device="cuda")[None]; mask = at < s.end[pick][:, None]
        sample = self(flat[at.clamp(max=len(flat) - 1)], mask)
        self.common = torch.linalg.svd(sample[:5000], full_matrices=False)[2][:1]

    def __call__(self, ids, mask):
        """-> [rows, size], of length 1"""
        out = (self.table[ids] * (self.weight[ids] * mask)[..., None]).sum(1)
        if self.common is not None: out = F.normalize(out, dim=-1); out = out - out @ self.common.T @ self.common
        return F.normalize(out, dim=-1)


def autocast():
    return torch.autocast("cuda", torch.bfloat16)


class Schedule:
    """Warm-up, then a cosine over the minutes there are."""

    def __init__(self, optimizer, peak, minutes, warmup=400):
        self.optimizer, self.peak, self.seconds, self.warmup, self.step, self.start = optimizer, peak, minutes * 60, warmup, 0, time.time()

    def next(self) -> bool:
        share = (time.time() - self.start) / self.seconds; self.step += 1
        lr = self.peak * min(1, self.step / self.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, share))))
        for g in self.optimizer.param_groups: g["lr"] = lr
        return share < 1


def optimizer_of(modules, weight_decay):
    params = [p for m in modules for p in m.parameters()]
    groups = [{"params": [p for p in params if p.ndim >= 2], "weight_decay": weight_decay}, {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)


class MaskedWords(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__(); d = encoder.cfg["hidden_size"]
        self.dense, self.norm, self.bias = torch.nn.Linear(d, d), torch.nn.LayerNorm(d), torch.nn.Parameter(torch.zeros(encoder.cfg["vocab_size"]))

    def loss(self, encoder, ids, mask, first):
        chosen = (torch.rand(ids.shape, device=ids.device) < 0.25) & (ids > data.MASK) & mask
        roll = torch.rand(ids.shape, device=ids.device); shown = torch.where(chosen & (roll < 0.8), data.MASK, ids)
        shown = torch.where(chosen & (roll > 0.9), torch.randint_like(ids, 5, self.bias.shape[0]), shown)
        with autocast():
            h = encoder.hidden(shown, mask, first)[chosen]
            logits = self.norm(F.gelu(self.dense(h))) @ encoder.tokens.weight.T + self.bias
        return F.cross_entropy(logits.float(), ids[chosen])


def train_masked(encoder, corpus, batcher, minutes, batch=768):
    head = MaskedWords(encoder).cuda(); opt = optimizer_of([encoder, head], 0.05); schedule = Schedule(opt, 2e-3, minutes)
    spans, total, shown = corpus.spans, 0.0, 0
    while schedule.next():
        limit = 126 if schedule.step % 8 else 500; n = batch if limit == 126 else batch // 4
        start = spans.start[corpus.pick[torch.randint(len(corpus.pick), (n,), device="cuda")]]
        end = (start + limit).clamp(max=len(spans.flat))
        ids, mask = batcher.rows(spans.flat, start, end, limit)
        first = torch.randint(0, 512 - ids.shape[1] + 1, (n, 1), device="cuda") * (torch.rand(n, 1, device="cuda") < 0.5)
        loss = head.loss(encoder, ids, mask, first.long())
        loss.backward(); torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0); opt.step(); opt.zero_grad(set_to_none=True)
        if schedule.step % 50 == 0: total += loss.item(); shown += 1
        if schedule.step % 1000 == 0: print(f"masked {schedule.step} {time.time()-schedule.start:.0f}s loss {total/shown:.3f}", flush=True); total, shown = 0.0, 0


class Tasks:
    """Batches of two views of texts, and the loss of each."""

    def __init__(self, tok, corpus, batcher, pairs, graded, teacher):
        self.corpus, self.batcher, self.teacher = corpus, batcher, teacher
        self.pairs = {name: (data.Spans(tok, [a for a, _ in p]).cuda(), data.Spans(tok, [b for _, b in p]).cuda()) for name, p in pairs.items()}
        self.graded = (data.Spans(tok, [a for a, _, _ in graded]).cuda(), data.Spans(tok, [b for _, b, _ in graded]).cuda(), torch.tensor([g for _, _, g in graded]).cuda())

    def some(self, index, n):
        return index[torch.randint(len(index), (n,), device="cuda")]

    def close(self, n, group=32, reach=300):
        """Sentences of documents; half of the time in groups from one place, which are harder to tell apart."""
        if random.random() < 0.5: return self.some(self.corpus.inside, n)
        i = self.some(self.corpus.inside, n // group).repeat_interleave(group) + torch.randint(-reach, reach + 1, (n,), device="cuda")
        return i.clamp(min=0, max=len(self.corpus.doc_first) - 1)

    def drops(self, n, most, least=0.0):
        return least + torch.rand(n, device="cuda") * (most - least)

    def sentence(self, i, limit=48, most=0.0, move=0.0, least=0.0):
        s = self.corpus.spans
        return self.batcher.rows(s.flat, s.start[i], s.end[i], limit, self.drops(len(i), most, least) if most else None, move)

    def same(self, n=2048):
        i = self.some(self.corpus.pick, n); return self.sentence(i, 48, 0.5, 0.5), self.sentence(i, 48, 0.3)

    def next(self, n=2048):
        i = self.close(n); j = torch.where(i < self.corpus.doc_last[i], i + 1, i - 1).clamp(min=0)
        return self.sentence(i, 48, 0.1), self.sentence(j, 48, 0.1)

    def crop(self, n=2048, window=160, longest=72):
        s = self.corpus.spans; i = self.close(n)
        low = s.start[i]; high = torch.minimum(low + window, s.end[self.corpus.doc_last[i]])
        def view():
            length = torch.minimum((torch.rand(n, device="cuda") * (longest - 6)).long() + 6, high - low).clamp(min=1)
            start = low + (torch.rand(n, device="cuda") * (high - low - length + 1)).long()
            return self.batcher.rows(s.flat, start, start + length, longest, self.drops(n, 0.3))
        return view(), view()

    def within(self, n=640):
        return self.passage(n, 320, 10, kept=1.0, most=0.2)

    def passage(self, n=1024, limit=160, reach=6, kept=0.4, most=0.8):
        """A sentence, and the passage around it. kept: how often the sentence stays in its passage."""
        s = self.corpus.spans; i = self.close(n)
        before, after = (torch.randint(0, reach, (n,), device="cuda") for _ in range(2))
        a = torch.maximum(i - before, self.corpus.doc_first[i]); b = torch.minimum(i + after, self.corpus.doc_last[i])
        alone = a == b; a = torch.where(alone, torch.maximum(i - 2, self.corpus.doc_first[i]), a); b = torch.where(alone, torch.minimum(i + 2, self.corpus.doc_last[i]), b)
        keep = torch.rand(n, device="cuda") < kept
        cut = (torch.where(keep, 0, s.start[i]), torch.where(keep, 0, s.end[i]))
        start = torch.maximum(s.start[a], s.start[i] - limit // 2)
        return self.sentence(i, 48, most), self.batcher.rows(s.flat, start, s.end[b], limit, cut=cut)

    def listed(self, name, n=2048):
        left, right = self.pairs[name]; i = torch.randint(len(left.start), (n,), device="cuda"); limit = PAIR_LIMIT[name]
        if name == "heading": n = 768; i = i[:n]
        return tuple(self.batcher.rows(side.flat, side.start[i], side.end[i], limit) for side in (left, right))

    def loss(self, encoder, name):
        if name == "graded": return self.graded_loss(encoder)
        if name == "ladder": return self.ladder_loss(encoder)
        if name == "taught": return self.taught_loss(encoder)
        if name == "passage" and random.random() < 0.08: left, right = self.passage(256, 480, 20)
        else: left, right = getattr(self, name)() if hasattr(self, name) else self.listed(name)
        with autocast(): a, b = encoder.embed(*left), encoder.embed(*right)
        scores = a.float() @ b.float().T / (SHARP if name == "within" else TEMPERATURE); target = torch.arange(len(a), device="cuda")
        return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2

    def graded_loss(self, encoder, n=1024):
        left, right, grades = self.graded; i = torch.randint(len(grades), (n,), device="cuda")
        with autocast(): a, b = (encoder.embed(*self.batcher.rows(s.flat, s.start[i], s.end[i], 40)) for s in (left, right))
        return in_order((a.float() * b.float()).sum(1), grades[i])

    def ladder_loss(self, encoder, n=768):
        """The same sentence is nearer than half of it, that nearer than the next one, and that nearer than any other."""
        i = self.some(self.corpus.inside, n); j = torch.where(i < self.corpus.doc_last[i], i + 1, i - 1).clamp(min=0)
        with autocast():
            a = encoder.embed(*self.sentence(i)).float()
            views = [encoder.embed(*self.sentence(i, 48, 0.2, 0.7)), encoder.embed(*self.sentence(i, 48, 0.7, least=0.4)), encoder.embed(*self.sentence(j))]
        cos = torch.cat([(a * v.float()).sum(1) for v in views] + [(a * a.roll(1, 0)).sum(1)])
        return in_order(cos, torch.tensor([4.5, 3.0, 1.2, 0.0], device="cuda").repeat_interleave(n))

    def taught_loss(self, encoder, n=1024, heat=0.1):
        """Who is near whom in a batch, as weighted word vectors have it."""
        if random.random() < 0.4:
            side = self.graded[0] if random.random() < 0.5 else self.pairs[random.choice(("gloss", "heading", "variant"))][1]
            i = torch.randint(len(side.start), (n,), device="cuda"); ids, mask = self.batcher.rows(side.flat, side.start[i], side.end[i], 64)
        else: ids, mask = self.sentence(self.close(n))
        with autocast(): a = encoder.embed(ids, mask).float()
        goal = self.teacher(ids, mask); self_pair = torch.eye(len(a), device="cuda", dtype=torch.bool)
        ours, theirs = ((x @ x.T / heat).masked_fill(self_pair, -1e4) for x in (a, goal))
        return F.kl_div(F.log_softmax(ours, 1), F.log_softmax(theirs, 1), reduction="batchmean", log_target=True)


def in_order(cos, grades, scale=20.0):
    """CoSENT: log(1 + sum of exp(scale * (cos of the lower - cos of the higher))). cos, grades [pairs]"""
    gap = (cos[:, None] - cos[None]) * scale; lower = grades[:, None] < grades[None] - 0.05
    return torch.logsumexp(torch.cat([torch.zeros(1, device=cos.device), gap[lower]]), 0) / 4


def train_pairs(encoder, tasks, minutes, check, peak=1e-3, tell=100):
    opt = optimizer_of([encoder], 0.01); schedule = Schedule(opt, peak, minutes); slow = copy.deepcopy(encoder); told = time.time(); sums = {}
    names, weights = list(TASKS), list(TASKS.values())
    while schedule.next():
        name = random.choices(names, weights)[0]
        loss = tasks.loss(encoder, name); loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0); opt.step(); opt.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(list(slow.parameters()), list(encoder.parameters()), max(1 - EMA, 1 / schedule.step))
        if schedule.step % 10 == 0: sums.setdefault(name, []).append(loss.item())
        if time.time() - told > tell:
            print(f"pairs {schedule.step} {time.time()-schedule.start:.0f}s", {k: round(float(np.mean(v)), 3) for k, v in sorted(sums.items())}, flush=True)
            print("   ", check(slow), flush=True); sums = {}; told = time.time()
    return slow


def save(encoder, path: Path) -> None:
    save_file({k: v.contiguous().half() for k, v in encoder.state_dict().items()}, str(path))


def faster(encoder) -> str:
    """Compiles the layers if that works here and pays."""
    ids = torch.randint(5, 1000, (2048, 48), device="cuda"); mask = torch.ones_like(ids, dtype=torch.bool)

    def seconds(steps=15):
        for i in range(steps + 5):
            if i == 5: torch.cuda.synchronize(); start = time.time()
            with autocast(): encoder.embed(ids, mask).sum().backward()
        torch.cuda.synchronize(); encoder.zero_grad(set_to_none=True); return (time.time() - start) / steps
    plain, eager = Layer.forward, seconds()
    try:
        torch._dynamo.config.recompile_limit = 64; Layer.forward = torch.compile(plain, dynamic=True); compiled = seconds()
    except Exception as error: Layer.forward = plain; return f"eager {eager*1e3:.1f} ms, can't compile: {error}"
    if compiled > eager: Layer.forward = plain
    return f"eager {eager*1e3:.1f} ms, compiled {compiled*1e3:.1f} ms"


def embedder(encoder, tok):
    """list of texts -> float32 [n, hidden]"""
    def embed(texts, size=256):
        encoder.eval(); out = []
        encoded = [e.ids[:511] + [data.SEP] if len(e.ids) > 512 else e.ids for e in tok.encode_batch(list(texts))]
        for i in range(0, len(encoded), size):
            rows = encoded[i:i + size]; width = max(map(len, rows)); ids = torch.zeros(len(rows), width, dtype=torch.long)
            for j, r in enumerate(rows): ids[j, :len(r)] = torch.tensor(r)
            with torch.no_grad(): out.append(encoder.embed(ids.cuda(), (ids > 0).cuda()).float().cpu().numpy())
        return np.concatenate(out)
    return embed


def main() -> None:
    args = argparse.ArgumentParser(); args.add_argument("corpora"); args.add_argument("out"); args.add_argument("--tokenizer"); args.add_argument("--resume")
    args.add_argument("--mlm-minutes", type=float, default=2); args.add_argument("--pair-minutes", type=float, default=5); args.add_argument("--baselines", action="store_true"); args.add_argument("--compile", action="store_true")
    args.add_argument("--config", type=json.loads, default={}); args.add_argument("--tasks", type=json.loads, default={})
    args.add_argument("--peak", type=float, default=1e-3)
    args = args.parse_args(); out = Path(args.out); out.mkdir(parents=True, exist_ok=True)
    TASKS.update(args.tasks); start = time.time(); torch.manual_seed(0); random.seed(0); torch.set_float32_matmul_precision("high")
    clock = lambda what: print(f"[{time.time()-start:.0f}s] {what}", flush=True)
    src = data.Sources(Path(args.corpora)); clock("read")
    cfg = {**CONFIG, **args.config}
    tok = Tokenizer.from_file(args.tokenizer) if args.tokenizer else data.train_tokenizer(src, cfg["vocab_size"])
    tok.save(str(out / "tokenizer.json")); (out / "config.json").write_text(json.dumps(cfg, indent=2) + "\n"); clock(f"tokenizer of {tok.get_vocab_size()}")
    corpus = data.Corpus(tok, src).cuda(); clock(f"{len(corpus.spans.flat)/1e6:.1f} M tokens, {len(corpus.spans.start)/1e6:.2f} M sentences")
    pairs = data.pair_texts(src); graded = compose.pairs(40_000); clock({k: len(v) for k, v in pairs.items()})
    batcher = data.Batcher(tok); teacher = Teacher(corpus, cfg["vocab_size"]); tasks = Tasks(tok, corpus, batcher, pairs, graded, teacher); clock("pairs")
    scores = {}
    if args.baselines:
        for name, embed in baselines.all_of(src.documents).items(): scores[name] = evaluate.report(embed, src.valid); clock((name, scores[name]))
        torch.cuda.empty_cache()
    encoder = Encoder(cfg).cuda(); print(f"{sum(p.numel() for p in encoder.parameters())/1e6:.2f} M parameters", flush=True)
    with torch.no_grad(): encoder.tokens.weight.copy_(0.03 * teacher.table[:, :cfg["hidden_size"]] / teacher.table[teacher.counts > 50].std())
    if args.resume: encoder.load_state_dict(load_file(args.resume))
    encoder.train()
    if args.compile: clock(faster(encoder))
    if args.mlm_minutes > 0: train_masked(encoder, corpus, batcher, args.mlm_minutes); save(encoder, out / "masked.safetensors"); clock("masked")
    if args.pair_minutes > 0:
        def look(m):
            save(m, out / "weights.safetensors"); return evaluate.report(embedder(m, tok), src.valid)
        encoder = train_pairs(encoder, tasks, args.pair_minutes, look, args.peak)
    scores["encoder"] = evaluate.report(embedder(encoder, tok), src.valid); clock(scores["encoder"])
    save(encoder, out / "weights.safetensors")
    (out / "report.json").write_text(json.dumps(dict(tokens=len(corpus.spans.flat), seconds=time.time() - start, scores=scores), indent=1) + "\n")


if __name__ == "__main__":
    main()
