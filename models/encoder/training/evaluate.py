"""How good vectors are: graded pairs, questions and their passages, sentences and the paragraphs they were cut from."""
import random
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

EVAL = Path(__file__).parent / "eval"


def lines(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (EVAL / name).read_text().splitlines()]


def cut_sentences(documents, count=1000, seed=0):
    """(sentence, paragraph with it, paragraph without it) of `count` paragraphs of at least four sentences."""
    rng = random.Random(seed); out = []
    for doc in documents:
        for _, body in doc:
            long = [i for i, s in enumerate(body) if 8 <= len(s.split()) <= 40]
            if len(body) < 4 or not long or not 50 <= sum(len(s.split()) for s in body) <= 250: continue
            i = rng.choice(long); out.append((body[i], " ".join(body), " ".join(body[:i] + body[i + 1:])))
    return rng.sample(out, min(count, len(out)))


def ranks(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    """The place of each query's own passage, 0 the first. Both [n, size], unit length."""
    scores = queries @ passages.T
    return (scores > np.diag(scores)[:, None]).sum(1)


def report(embed, valid_documents) -> dict:
    """embed: list of texts -> [n, size] of unit length."""
    rows = lines("similarity.tsv"); grades = np.array([float(r[1]) for r in rows]); out = {}
    cos = (embed([r[2] for r in rows]) * embed([r[3] for r in rows])).sum(1)
    out["similarity"] = spearmanr(cos, grades)[0]
    for domain in dict.fromkeys(r[0] for r in rows):
        at = [i for i, r in enumerate(rows) if r[0] == domain]; out[domain] = spearmanr(cos[at], grades[at])[0]
    asked = lines("retrieval.tsv"); place = ranks(embed([r[0] for r in asked]), embed([r[1] for r in asked]))
    out["questions_mrr"] = (1 / (place + 1)).mean(); out["questions_recall@1"] = (place < 1).mean()
    cut = cut_sentences(valid_documents); sentences = embed([c[0] for c in cut])
    for name, column in (("whole", 1), ("without", 2)):
        place = ranks(sentences, embed([c[column] for c in cut]))
        out[f"{name}_recall@1"], out[f"{name}_recall@10"] = (place < 1).mean(), (place < 10).mean()
    return {k: round(float(v), 4) for k, v in out.items()}


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
