"""Gather the training text beside the books from unpacked Debian and npm packages.

    python3 collect.py PACKAGES OUT

PACKAGES holds the packages unpacked, each in a folder of its own name (dpkg -x FILE PACKAGES/NAME, tar -xf):
    wordnet-base                                         WordNet 3.0
    moby                          (npm)                  Moby Thesaurus
    datasets-sotu                 (npm, @stdlib)         State of the Union addresses
    sqlite3-doc postgresql-doc-15 python3.11-doc apache2-doc python-django-doc rust-doc nodejs-doc    manuals
Writes OUT/extra.txt.xz (one paragraph a line, headings behind "# ", documents separated by <|endoftext|>),
OUT/wordnet.jsonl.xz (one synset a line) and OUT/moby.txt.xz. Python's standard library is enough.
"""
import gzip, json, lzma, re, sys
from html.parser import HTMLParser
from pathlib import Path

END = "<|endoftext|>"
BLOCKS = {"p", "li", "dd", "dt", "td", "h1", "h2", "h3", "h4"}
SKIPPED = {"pre", "script", "style", "nav", "table", "head", "svg", "form", "footer"}
MANUALS = {  # where each manual's prose is
    "sqlite3-doc": "usr/share/doc/sqlite3/*.html",
    "postgresql-doc-15": "usr/share/doc/postgresql-doc-15/html/*.html",
    "python3.11-doc": "usr/share/doc/python3.11/html/[abd-hlrtuw]*/*.html",
    "apache2-doc": "usr/share/doc/apache2-doc/manual/en/**/*.html",
    "python-django-doc": "usr/share/doc/python-django-doc/html/**/*.html",
    "nodejs-doc": "usr/share/doc/nodejs/api/*.html*",
}
RUST_BOOKS = ("book", "cargo", "rust-by-example", "edition-guide", "reference", "rustc", "rustdoc")


class Prose(HTMLParser):
    """Paragraphs and headings of a page, without code and navigation."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.lines, self.text, self.heading, self.skip = [], [], False, []

    def flush(self):
        line = re.sub(r"\s+", " ", "".join(self.text)).replace("¶", "").strip()
        self.text = []
        if self.heading and line: self.lines.append("# " + line)
        elif len(line.split()) >= 6: self.lines.append(line)
        self.heading = False

    def handle_starttag(self, tag, attrs):
        if tag in SKIPPED: self.skip.append(tag)
        elif tag in BLOCKS or tag in ("div", "ul", "ol"):
            self.flush(); self.heading = tag in ("h1", "h2", "h3", "h4")

    def handle_endtag(self, tag):
        if self.skip and tag == self.skip[-1]: self.skip.pop()
        elif tag in BLOCKS or tag in ("div", "ul", "ol"): self.flush()

    def handle_data(self, data):
        if not self.skip: self.text.append(data)


def page(path: Path) -> list[str]:
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    prose = Prose(); prose.feed(raw.decode("utf8", "replace")); prose.flush()
    return prose.lines


def plain(line: str) -> str:
    """ASCII punctuation, as in the books."""
    for old, new in (("‘", "'"), ("’", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "--"), ("…", "..."), ("\xa0", " ")):
        line = line.replace(old, new)
    return line.strip()


def manuals(packages: Path):
    seen = set()
    paths = [p for name, glob in MANUALS.items() for p in sorted((packages / name).glob(glob))]
    rust = packages / "rust-doc/usr/share/doc/rust-doc/html"
    paths += [p for book in RUST_BOOKS for p in sorted((rust / book).glob("**/*.html")) if p.name != "print.html"]
    for path in paths:
        if re.search(r"genindex|/sitemap|all\.html", str(path)): continue
        fresh = [line for line in map(plain, page(path)) if line.startswith("# ") or line not in seen]
        seen.update(fresh)
        if sum(not line.startswith("# ") for line in fresh) >= 3: yield fresh


def addresses(packages: Path):
    """Speeches of 1900 and later, in paragraphs of about five sentences: the files have none."""
    for path in sorted((packages / "datasets-sotu/package/data").glob("*.txt")):
        if int(path.name[:4]) < 1900: continue
        sentences = re.split(r"(?<=[.!?]) +(?=[A-Z])", plain(re.sub(r"\s+", " ", path.read_text())))
        yield [" ".join(sentences[i:i + 5]) for i in range(0, len(sentences), 5)]


def wordnet(folder: Path):
    for pos in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{pos}").read_text().splitlines():
            if line.startswith("  "): continue
            data, gloss = line.split(" | ", 1); f = data.split()
            count = int(f[3], 16); words = [re.sub(r"\(.*\)$", "", w).replace("_", " ") for w in f[4:4 + 2 * count:2]]
            at = 4 + 2 * count; pointers = [(f[at + 1 + 4 * i], f[at + 3 + 4 * i] + f[at + 2 + 4 * i]) for i in range(int(f[at]))]
            pick = lambda kinds: [target for kind, target in pointers if kind in kinds]
            examples = [e.strip() for e in re.findall(r'"([^"]+)"', gloss)]
            definition = re.split(r';\s*"', gloss)[0].strip().strip(";")
            yield dict(id=f[2].replace("s", "a") + f[0], words=words, gloss=definition, examples=examples,
                       parents=pick(("@", "@i")), similar=pick(("&", "+", "^")), opposite=pick(("!",)))


def main() -> None:
    packages, out = Path(sys.argv[1]), Path(sys.argv[2]); out.mkdir(parents=True, exist_ok=True)
    documents = [*manuals(packages), *addresses(packages)]
    text = f"\n{END}\n".join("\n".join(lines) for lines in documents)
    moby = (packages / "moby/package/words.txt").read_text()
    synsets = "".join(json.dumps(s) + "\n" for s in wordnet(packages / "wordnet-base/usr/share/wordnet"))
    for name, content in (("extra.txt", text), ("moby.txt", moby), ("wordnet.jsonl", synsets)):
        with lzma.open(out / f"{name}.xz", "wt") as file: file.write(content)
        print(name, f"{len(content)/1e6:.1f} M characters, {len(content.split())/1e6:.2f} M words, {(out / (name + '.xz')).stat().st_size/1e6:.1f} MB packed")


if __name__ == "__main__":
    main()
