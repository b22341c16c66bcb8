"""Text to tokens, and tokens to batches of pairs on the GPU."""
import json, lzma, random, re
from collections import defaultdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

END = "<|endoftext|>"
PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PLAIN = (("\u2018\u2019\u02bc", "'"), ("\u201c\u201d", '"'), ("\u2013\u2014\u2212", "-"), ("\u2026", "..."))  # quotes, dashes and dots, as in the books
SENTENCE = re.compile(r"\S.*?(?:[.!?]+[\"')\]]*(?=\s+[\"'(\[]?[A-Z0-9])|$)")


def read(path: Path) -> str:
    with lzma.open(path, "rt") as file: return file.read()


def sentences(paragraph: str) -> list[str]:
    """Those of fewer than four words stay with the one before."""
    out = []
    for s in SENTENCE.findall(paragraph):
        if out and len(s.split()) < 4: out[-1] += " " + s
        else: out.append(s)
    return out


def document(text: str) -> list[tuple[str, list[str]]]:
    """(heading, sentences) of each paragraph."""
    heading, out = "", []
    for line in text.strip().split("\n"):
        if line.startswith("# "): heading = re.sub(r"^[\d.]+\s*|[#¶]+$", "", line[2:]).strip()
        elif line.strip(): out.append((heading, sentences(line.strip())))
    return out


class Sources:
    """Everything there is to learn from, as text. `documents` are lists of (heading, sentences)."""

    def __init__(self, folder: Path):
        with Pool(16) as pool:
            books = pool.map(document, read(folder / "children-train.txt.xz").split(END), 4)
            extra = pool.map(document, read(folder / "extra.txt.xz").split(END), 16)
        self.synsets = {s["id"]: s for s in map(json.loads, read(folder / "wordnet.jsonl.xz").splitlines())}
        self.moby = [line.split(",") for line in read(folder / "moby.txt.xz").splitlines()]
        self.topics = [line.split(": ") for line in (Path(__file__).parent / "topics.txt").read_text().splitlines()]
        glosses = [[("", [", ".join(s["words"]) + ": " + s["gloss"], *s["examples"]])] for s in self.synsets.values()]
        self.documents = books + extra + glosses
        self.kinds = [0] * len(books) + [1] * len(extra) + [2] * len(glosses)  # books, manuals and speeches, WordNet
        self.valid = [document(t) for t in read(folder / "children-valid.txt.xz").split(END)]


def train_tokenizer(src: Sources, vocab: int) -> Tokenizer:
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=64))
    plain = [normalizers.Replace(old, new) for olds, new in PLAIN for old in olds]
    tok.normalizer = normalizers.Sequence([*plain, normalizers.BertNormalizer(lowercase=True, strip_accents=True)])
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer(); tok.decoder = decoders.WordPiece()

    def lines():
        for kind, doc in zip(src.kinds, src.documents):
            text = "\n".join(" ".join(s) for _, s in doc)
            yield from [text] * (1, 3, 6)[kind]  # modern words count more
        for name, words in src.topics: yield from [f"{name} {words}"] * 300
    tok.train_from_iterator(lines(), trainers.WordPieceTrainer(vocab_size=vocab, special_tokens=SPECIAL, limit_alphabet=160, min_frequency=5, show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)])
    return tok


def synonyms(src: Sources) -> dict[str, list[str]]:
    """Single words that can stand for each other: of the synsets of words that have few meanings."""
    meanings = defaultdict(list)
    for s in src.synsets.values():
        for w in s["words"]: meanings[w.lower()].append(s)
    out = {}
    for w, sets in meanings.items():
        if " " in w or len(w) < 3 or len(sets) > 3: continue
        others = {o.lower() for s in sets[:1] for o in s["words"]} - {w}
        others = [o for o in others if " " not in o and len(meanings[o]) <= 4]
        if others: out[w] = others
    return out


NUMBERS = dict(zip("2 3 4 5 6 7 8 9 10 11 12 15 20 30 40 50 100".split(), "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty hundred".split()))
SHORT = [("n't", " not"), ("'re", " are"), ("'ll", " will"), ("'ve", " have"), ("i'm", "i am"), ("it's", "it is"), ("that's", "that is"), ("cannot", "can not")]


def typo(word: str, rng: random.Random) -> str:
    i = rng.randrange(len(word) - 1)
    return rng.choice((word[:i] + word[i + 1] + word[i] + word[i + 2:], word[:i] + word[i + 1:], word[:i] + word[i] + word[i:]))


def variant(args) -> str:
    """The same sentence with other words for some, a slip of the finger, and numbers and short forms written out."""
    text, table, seed = args
    rng = random.Random(seed); text = text.lower()
    for short, full in SHORT:
        if rng.random() < 0.5: text = text.replace(short, full)
    out = []
    for w in re.findall(r"[a-z]+|\d+|[^a-z\d\s]", text):
        roll = rng.random()
        if w in table and roll < 0.5: w = rng.choice(table[w])
        elif w in NUMBERS and roll < 0.5: w = NUMBERS[w]
        elif len(w) > 4 and w.isalpha() and roll < 0.06: w = typo(w, rng)
        out.append(w)
    return " ".join(out)


class Spans:
    """Tokens of many texts in one tensor: text i is flat[start[i]:end[i]]."""

    def __init__(self, tok: Tokenizer, texts: list[str]):
        encoded = [e for i in range(0, len(texts), 20000) for e in tok.encode_batch_fast(texts[i:i + 20000], add_special_tokens=False)] \
            if hasattr(tok, "encode_batch_fast") else tok.encode_batch(texts, add_special_tokens=False)
        lengths = np.array([len(e.ids) for e in encoded])
        self.end = torch.tensor(np.cumsum(lengths)); self.start = self.end - torch.tensor(lengths)
        self.flat = torch.tensor(np.concatenate([np.array(e.ids, np.int64) for e in encoded]))

    def cuda(self):
        self.flat, self.start, self.end = self.flat.cuda(), self.start.cuda(), self.end.cuda(); return self


def pair_texts(src: Sources, seed: int = 0) -> dict[str, list[tuple[str, str]]]:
    """Pairs that mean about the same, by where they come from."""
    rng = random.Random(seed); out = defaultdict(list); table = synonyms(src)
    for s in src.synsets.values():
        for w in s["words"]:
            out["gloss"].append((w, s["gloss"]))
            others = [o for o in s["words"] if o != w]
            near = [x for t in s["similar"][:4] if t in src.synsets for x in src.synsets[t]["words"][:1]]
            if others: out["word"].append((w, rng.choice(others)))
            elif near: out["word"].append((w, rng.choice(near)))
            for e in s["examples"]:
                if others and re.search(rf"\b{re.escape(w)}\b", e): out["example"].append((e, re.sub(rf"\b{re.escape(w)}\b", rng.choice(others), e)))
        for t in s["parents"][:1]:
            if t in src.synsets: out["parent"].append((s["words"][0] + ": " + s["gloss"], src.synsets[t]["words"][0] + ": " + src.synsets[t]["gloss"]))
        for e in s["examples"]: out["gloss"].append((e, s["gloss"]))
    for root, *others in src.moby:
        for _ in range(2):
            if len(others) > 3: out["word"].append((root, ", ".join(rng.sample(others, rng.choice((1, 2, 3))))))
    for name, words in src.topics:
        words = words.split()
        for _ in range(150):
            rng.shuffle(words); n = rng.randint(1, 5)
            out["topic"].append((" ".join(words[:n]), name if rng.random() < 0.2 else " ".join(words[n:n + rng.randint(1, 5)])))
    for kind, doc in zip(src.kinds, src.documents):
        if kind != 1: continue
        for (before, _), (heading, body) in zip([("", [])] + doc, doc):
            if heading and heading != before: out["heading"].append((heading, " ".join(body[:4])))
    lemmas = [w for s in src.synsets.values() for w in s["words"] if len(w) > 2]
    for _ in range(120_000):  # any words at all, so that rare ones count as what they are
        shared = rng.sample(lemmas, rng.randint(2, 5)); a, b = (shared + rng.sample(lemmas, rng.randint(0, 3)) for _ in range(2))
        rng.shuffle(a); rng.shuffle(b); out["bag"].append((" ".join(a), " ".join(b)))
    real = [s for kind, doc in zip(src.kinds, src.documents) for _, body in doc for s in body if 5 <= len(s.split()) <= 40]
    picked = rng.sample(real, min(len(real), 400_000))
    with Pool(16) as pool: changed = pool.map(variant, [(s, table if i % 2 else {}, i) for i, s in enumerate(picked)], 2000)
    out["variant"] = list(zip(picked, changed))
    return out


class Corpus:
    """All documents as one run of tokens on the GPU, with the bounds of sentences, passages and documents."""

    def __init__(self, tok: Tokenizer, src: Sources):
        texts, doc_of, kind_of = [], [], []
        for d, (kind, doc) in enumerate(zip(src.kinds, src.documents)):
            for _, body in doc:
                texts += body; doc_of += [d] * len(body); kind_of += [kind] * len(body)
        self.spans = Spans(tok, texts); doc = torch.tensor(doc_of)
        first = torch.ones(len(doc), dtype=torch.bool); first[1:] = doc[1:] != doc[:-1]
        index = torch.arange(len(doc)); begin = index[first]
        self.doc_first = begin[torch.cumsum(first, 0) - 1]                       # of each sentence: its document's first
        ends = torch.cat([begin[1:] - 1, index[-1:]]); self.doc_last = ends[torch.cumsum(first, 0) - 1]
        long = (self.spans.end - self.spans.start) >= 6
        kinds = torch.tensor(kind_of)
        self.pick = torch.cat([index[long & (kinds == 0)], index[long & (kinds == 1)].repeat(2), index[long & (kinds == 2)]])
        self.inside = torch.cat([index[long & (kinds == 0)], index[long & (kinds == 1)].repeat(2)])  # has neighbours

    def cuda(self):
        self.spans.cuda()
        for name in ("doc_first", "doc_last", "pick", "inside"): setattr(self, name, getattr(self, name).cuda())
        return self


class Batcher:
    """Rows of tokens out of spans, with words dropped and moved."""

    def __init__(self, tok: Tokenizer):
        vocab = tok.get_vocab(); flags = torch.zeros(len(vocab), dtype=torch.bool)
        for piece, i in vocab.items(): flags[i] = piece.startswith("##")
        self.inner = flags.cuda()

    def rows(self, flat, start, end, limit, drop=None, move=0.0, cut=None):
        """drop [rows]: share of words left out. cut (start, end): tokens left out. -> ids, mask [rows, <= limit + 2]"""
        device = flat.device; length = torch.clamp(end - start, max=limit + 64 if cut is not None else limit)
        at = torch.arange(-(-int(length.max()) // 8) * 8, device=device)[None]
        valid = at < length[:, None]; place = torch.where(valid, start[:, None] + at, start[:, None])
        ids = flat[place]
        word = torch.cumsum(~self.inner[ids], 1) - 1; word = word.clamp(min=0); key = word.float()
        if drop is not None:
            u = torch.rand(ids.shape, device=device).gather(1, word); gone = u < drop[:, None]
            gone &= gone.logical_and(valid).sum(1, keepdim=True) < valid.sum(1, keepdim=True)  # never all of it
            valid = valid & ~gone
        if move: key = key + (torch.randn(ids.shape, device=device) * move).gather(1, word)
        if cut is not None: valid = valid & ~((place >= cut[0][:, None]) & (place < cut[1][:, None]))
        order = torch.argsort(torch.where(valid, key, 1e9), dim=1, stable=True)
        count = valid.sum(1).clamp(max=limit); width = -(-(int(count.max()) + 2) // 16) * 16 - 2  # whole blocks of 16: attention is fast on them
        ids = F.pad(ids.gather(1, order), (0, max(0, width - ids.shape[1])))[:, :width]; at = torch.arange(width + 2, device=device)[None]
        out = torch.full((len(start), width + 2), PAD, device=device)
        out[:, 0] = CLS; out[:, 1:-1] = torch.where(at[:, :width] < count[:, None], ids, PAD)
        out.scatter_(1, count[:, None] + 1, SEP)
        return out, at < count[:, None] + 2
