"""How to use an exported folder: the last section of its model card, which needs none of our code."""

from __future__ import annotations

from keras_negaposi.config.exporting import HUGGINGFACE, ONNX, SENTENCE_TRANSFORMERS, SERVING
from keras_negaposi.exporting.finished_run import FinishedModel

_HUGGINGFACE = """
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForSequenceClassification.from_pretrained(FOLDER).eval()
settings = model.config.keras_negaposi


def ids(text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def probability(text_a, text_b):
    a, b = ids(text_a), ids(text_b)
    while len(a) + len(b) > settings["max_seq_length"] - 3:  # the longer text loses pieces
        (a if len(a) > len(b) else b).pop(CUT if len(a) > len(b) else -1)
    a, b = [tokenizer.cls_token_id, *a, tokenizer.sep_token_id], [*b, tokenizer.sep_token_id]
    types = [0] * len(a) + [TYPE] * len(b)
    with torch.no_grad():
        logits = model(torch.tensor([a + b]), token_type_ids=torch.tensor([types])).logits
    return torch.softmax(logits / settings["temperature"], -1)[0, 1].item()


print(probability("一枚目の本文", "二枚目の本文") > settings["threshold"])
"""
_SENTENCE_TRANSFORMERS = """
from math import exp

from sentence_transformers import SentenceTransformer

model = SentenceTransformer(FOLDER)
query = model.encode_query(["一枚目の本文"])
pages = model.encode_document(["二枚目の本文", "別の本文"])
cosine = float((query @ pages.T)[0, 0])
probability = 1 / (1 + exp(-(SLOPE * cosine + OFFSET)))
print(probability > THRESHOLD)
"""
_ONNX = """
import onnxruntime

session = onnxruntime.InferenceSession(FOLDER + "/model.onnx")
print([(i.name, i.shape) for i in session.get_inputs()])  # int32 [batch, seq]: token ids, masks and token types
# label, probabilities = session.run(["label", "probabilities"], inputs)
"""
_SERVING = """
import tensorflow as tf
import tensorflow_text  # registers the tokenizer's op

score = tf.saved_model.load(FOLDER).signatures["serving_default"]
score(text_a=tf.constant(["一枚目の本文"]), text_b=tf.constant(["二枚目の本文"]))["probabilities"]
"""
_TEMPLATES = {
    HUGGINGFACE: _HUGGINGFACE,
    SENTENCE_TRANSFORMERS: _SENTENCE_TRANSFORMERS,
    ONNX: _ONNX,
    SERVING: _SERVING,
}


def usage(model: FinishedModel, to: str) -> str:
    """Returns a section of Markdown with a program that uses the exported folder ``FOLDER``."""
    values: dict[str, object] = {
        "CUT": 0 if model.config.truncate_a == "start" else -1,
        "TYPE": model.tokenizer.token_types - 1,
    }
    if to == SENTENCE_TRANSFORMERS:
        from keras_negaposi.exporting.bi_encoder import cosine_to_logit

        line = cosine_to_logit(model) | {"threshold": model.calibration.threshold}
        values |= {name.upper(): f"{value:.6g}" for name, value in line.items()}
    code = _TEMPLATES[to]
    for name, value in values.items():
        code = code.replace(name, str(value))
    return f"\n## Use\n\n`FOLDER` is the path of this folder.\n\n```python{code}```\n"
