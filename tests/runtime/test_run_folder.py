"""Tests of the names in a run's folder, which are a contract."""

from keras_negaposi.runtime.run_folder import RUN_FILES, RunFolder
from keras_negaposi.serving.score_file import MODEL_FILES

FILES = {
    *("config.json", "bert_config.json", "tokenizer.model", "tokenizer.vocab", "split.json", "records", "teacher.txt"),
    *("checkpoints", "history.json", "dev_history.json", "tensorboard", "saved_model", "int8", "calibration.json"),
    *("vocab.txt", "sentencepiece.bpe.model", "tokenizer_config.json"),
    *("metrics.json", "eval_results.txt", "classification_report.txt", "report.html", "README.md"),
    *("scores_dev.tsv", "scores_test.tsv", "lexical.npz", "scores_dev_neural.tsv", "scores_test_neural.tsv"),
    *("honbun_data.json", "negaposi.json"),
    *("partner", "scores_dev_partner.tsv", "scores_test_partner.tsv", "reference_pages.json"),
}


def test_names_of_the_files():
    assert RUN_FILES == FILES
    assert MODEL_FILES - FILES == {"saved_model.pb", "fingerprint.pb", "variables", "assets"}


def test_paths():
    assert RunFolder("runs/1").metrics == "runs/1/metrics.json"
    assert RunFolder("gs://bucket/1").weights == "gs://bucket/1/saved_model/variables/variables.data-00000-of-00001"
    assert RunFolder("gs://bucket/1").scores("test") == "gs://bucket/1/scores_test.tsv"
