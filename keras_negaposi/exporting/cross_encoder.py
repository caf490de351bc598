"""A cross-encoder (head ``pair``) as transformers' ``BertForSequenceClassification``.

Its logits are those of our model before the softmax. `settings` in ``config.json`` says what else our scores take:
``softmax(logits / temperature)[1] > threshold`` means that B comes next.
"""

from __future__ import annotations

from checkpoints_tools.common.files import join, write_json
from checkpoints_tools.formats.huggingface import FILE, write_huggingface
from keras_negaposi.exporting.finished_run import FinishedModel
from keras_negaposi.exporting.tokenizer_folder import write_tokenizer

SETTINGS = "keras_negaposi"
"""Key of the run's settings in an exported configuration."""
_LABELS = ("not_next", "next")


def write_cross_encoder(model: FinishedModel, folder: str) -> None:
    """Writes ``config.json``, ``model.safetensors`` and the tokenizer's files.

    Raises:
        InputError: safetensors is not installed, or the tokenizer or the classifier has no equivalent; then no file was
            written.
    """
    weights = model.encoder() | model.classifier()
    padding = write_tokenizer(model.config, model.tokenizer, folder)
    architecture = write_huggingface(join(folder, FILE), weights)
    labels = dict(enumerate(_LABELS))
    write_json(
        join(folder, "config.json"),
        model.bert_config.to_huggingface(architecture)
        | {"pad_token_id": padding, "id2label": labels, "label2id": {name: number for number, name in labels.items()}}
        | {SETTINGS: model.settings()},
    )
