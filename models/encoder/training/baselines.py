"""What a vector has to beat, made from the same text: TF-IDF, and averaged word vectors (PPMI and a truncated SVD, as GloVe without the wait)."""
import re
from collections import Counter

import numpy as np
import torch
from evaluate import unit

WORD = re.compile(r"[a-z]+|\d+")


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def sentences_of(documents):
    return [words(s) for doc in documents for _, body in doc for s in body]


def tf_idf(documents):
    from sklearn.feature_extraction.text import TfidfVectorizer
    model = TfidfVectorizer(tokenizer=words, token_pattern=None, lowercase=False, sublinear_tf=True, min_df=1).fit(
        " ".join(s) for doc in documents for _, s in doc)

    def embed(texts):
        return model.transform(texts).toarray().astype(np.float32)
    return embed


def ppmi_vectors(ids, row, vocab, size=300, window=5):
    """Positive PMI of ids of one row at most `window` apart, and its leading singular vectors. ids, row [n] -> [vocab, size]"""
    pairs = torch.zeros(vocab * vocab, dtype=torch.float32, device=ids.device)
    for d in range(1, window + 1):
        same = row[:-d] == row[d:]; where = ids[:-d][same] * vocab + ids[d:][same]
        pairs.index_add_(0, where, torch.full((len(where),), 1 / d, device=ids.device))
    m = pairs.view(vocab, vocab); m = m + m.T
    total = m.sum(); context = m.sum(0) ** 0.75; context = context / context.sum()
    pmi = torch.log((m / m.sum(1, keepdim=True).clamp(min=1e-9) / context.clamp(min=1e-12)[None]).clamp(min=1e-9)).clamp(min=0)
    torch.manual_seed(0)
    u, s, _ = torch.svd_lowrank(pmi, q=size + 20, niter=4)
    return u[:, :size] * s[:size] ** 0.5


def word_vectors(sentences, size=300, vocab=30000, window=5):
    """-> words, counts, [vocab, size]"""
    counts = Counter(w for s in sentences for w in s); kept = [w for w, _ in counts.most_common(vocab)]; index = {w: i for i, w in enumerate(kept)}
    ids = torch.tensor([i for s in sentences for i in [*(index[w] for w in s if w in index), -1]]).cuda(); row = torch.cumsum(ids < 0, 0)
    vectors = ppmi_vectors(ids[ids >= 0], row[ids >= 0], len(kept), size, window)
    return kept, counts, vectors.cpu().numpy()


def averaged(vectors, weighted: bool):
    """weighted: smooth inverse frequency, and the first common direction taken away."""
    kept, counts, table = vectors; index = {w: i for i, w in enumerate(kept)}; total = sum(counts.values())
    weight = np.array([1e-3 / (1e-3 + counts[w] / total) if weighted else 1.0 for w in kept], np.float32)

    def embed(texts):
        out = np.zeros((len(texts), table.shape[1]), np.float32)
        for i, t in enumerate(texts):
            at = [index[w] for w in words(t) if w in index]
            if at: out[i] = (table[at] * weight[at, None]).sum(0) / len(at)
        if weighted:
            direction = np.linalg.svd(out, full_matrices=False)[2][:1]; out = out - out @ direction.T @ direction
        return unit(out)
    return embed


def all_of(documents) -> dict:
    vectors = word_vectors(sentences_of(documents))
    return {"TF-IDF": tf_idf(documents), "averaged word vectors": averaged(vectors, False), "word vectors, SIF": averaged(vectors, True)}
