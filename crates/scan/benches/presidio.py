"""Presidio's analyzer on a text: its recognisers of patterns, without a model of language. Prints what `detect.rs` prints.

usage: presidio.py TEXT-FILE
"""

import logging
import sys
import time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import (
    AuAbnRecognizer,
    AuAcnRecognizer,
    AuMedicareRecognizer,
    AuTfnRecognizer,
)


class Blank(SpacyNlpEngine):
    """Words and nothing else: a model would be slower and find names."""

    def __init__(self):
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}


def main():
    # The list of domains' ends that it would fetch is in the package too.
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)
    text = open(sys.argv[1], encoding="utf-8").read()
    engine = Blank()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    for recogniser in (AuAbnRecognizer, AuAcnRecognizer, AuMedicareRecognizer, AuTfnRecognizer):
        registry.add_recognizer(recogniser())
    registry.remove_recognizer("SpacyRecognizer")
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    prompts = [text[at : at + 4096] for at in range(0, len(text), 4096)]
    analyzer.analyze(prompts[0], language="en")
    begun = time.perf_counter()
    found = sum(len(analyzer.analyze(prompt, language="en")) for prompt in prompts)
    took = time.perf_counter() - begun
    print(
        f"Presidio, prose with values: {len(text) / 1e6 / took:.2f} MB/s, {found} findings in {len(text)} bytes; "
        f"a prompt of 4 KiB takes {took / len(prompts) * 1e6:.0f} µs"
    )


main()
