"""Fine-tuning: ours, with batches of similar length; Hugging Face's Trainer; and the original, which pads every pair.

python tests/benchmarks/finetuning.py DATA_FOLDER BERT_FOLDER BERT_JAPANESE_FOLDER [--pairs 320] [--rounds 2]

BERT_JAPANESE_FOLDER is a checkout of github.com/yoheikikuta/bert-japanese with its submodule; its TF1 calls are
TensorFlow's compat.v1. All train the whole BERT twice on as many pairs, in batches of the same size, and the second
time counts: by then nothing is traced or compiled any more. The Trainer groups by length and pads to a batch's longest;
it and ours compute in bfloat16 where the processor does. The last column is what the steps' matrix products, padding
included, take of the fastest product that TensorFlow makes here.
"""

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path

import original
from hugging_face import convert
from sides import alternate, report

BATCH = 32
OURS, PADDED, UNFUSED = "ours", "ours, padded, float32", "ours, tf-models' own layers"
IN_PARTS, SEPARATE = "ours, --accumulate 8", "ours, --head vector"
PEER, ORIGINAL = "Hugging Face Trainer", "the original, padded"
MATRIX = 2048
TRIALS = 10


def read(data, count):
    """``count`` labelled pairs of titles, and all texts."""
    texts = json.loads((data / "honbun_data.json").read_text(encoding="utf-8"))
    rows = json.loads((data / "negaposi.json").read_text(encoding="utf-8"))
    if isinstance(rows, dict):
        rows = [[a, b, label] for i in range(count) for label in (0, 1) for a, b in [rows[("nega", "posi")[label]][i]]]
    return rows[:count], texts


def ours(arguments, folder, **options):
    import tensorflow as tf

    from keras_negaposi.config import TrainConfig, complete_model_files
    from keras_negaposi.evaluation.metrics import chance_loss
    from keras_negaposi.input_pipeline.record_folder import find_records
    from keras_negaposi.input_pipeline.tfrecords import prepare
    from keras_negaposi.modeling import heads
    from keras_negaposi.runtime.run_folder import RunFolder
    from keras_negaposi.training import fit
    from keras_negaposi.training.run_inputs import read_run_inputs
    from keras_negaposi.training.training_setup import TrainingSetup

    share = 0.25
    rows, _ = read(arguments.data, int(arguments.pairs / (1 - share)))
    negaposi = folder / "negaposi.json"
    negaposi.write_text(json.dumps(rows))
    files = complete_model_files({"init_checkpoint": str(arguments.bert)} | dict.fromkeys(_FILES))
    steps = arguments.pairs // BATCH
    config = TrainConfig(
        **files,
        **options,
        honbun=str(arguments.data / "honbun_data.json"),
        negaposi=str(negaposi),
        max_seq_length=arguments.length,
        test_share=share,
        dev_share=0.0,
        train_batch_size=BATCH,
        num_train_epochs=2,
        log_every_steps=steps,
    )
    found = read_run_inputs(config)
    run = RunFolder(str(folder / "run"))
    prepare(found.inputs, run.records)
    records = find_records(run.records, found.inputs.fingerprint)
    strategy = tf.distribute.get_strategy()
    bert = found.pretrained.bert_config
    build_model = functools.partial(heads.build, config, bert)
    model = fit.build_for_training(config, found.pretrained, 2 * steps, build_model, strategy)
    chance = chance_loss(found.inputs.split.parts["train"])
    fit.fit(model, TrainingSetup(config, records, run, 2 * steps, chance, strategy, build_model))
    speed = json.loads(Path(run.history).read_text())[-1]["pairs_per_second"]
    seconds = arguments.pairs / speed
    options = fit.BatchOptions(BATCH, config.seed, steps, config.length_buckets or fit.LENGTH_BUCKETS)
    batches = fit.train_dataset(records, options)
    shapes = [
        tensor.shape
        for features, _ in batches.take(steps)
        for name, tensor in features.items()
        if name.endswith("input_word_ids")
    ]
    precision = fit.choose_precision(config.precision)
    counted = sum(operations(*shape, bert, pooled=config.head == "pair") for shape in shapes)
    report(seconds, counted / seconds / peak(precision))


def operations(rows, length, config, pooled):
    """Counts the operations of a training step's matrix products: forward, and twice as many backward.

    If only the first token is ``pooled``, the last layer has a key and a value of each token, but only the first one
    has a query and what follows from it.
    """
    hidden, layers = config.hidden_size, config.num_hidden_layers
    keys_and_values = 2 * 2 * hidden**2
    others = keys_and_values + 2 * 2 * hidden * config.intermediate_size + 4 * length * hidden
    full = layers * length - (length - 1 if pooled else 0)
    return 3 * rows * (layers * length * keys_and_values + full * others)


def peak(dtype):
    """Operations a second of the fastest of some large matrix products."""
    import tensorflow as tf

    a = tf.cast(tf.random.normal([MATRIX, MATRIX]), dtype)
    multiply = tf.function(lambda a: tf.matmul(a, a), autograph=False)
    multiply(a)

    def seconds():
        started = time.perf_counter()
        multiply(a).numpy()
        return time.perf_counter() - started

    return 2 * MATRIX**3 / min(seconds() for _ in range(TRIALS))


def padded(arguments, folder):
    ours(arguments, folder, length_buckets=1, precision="float32")


def in_parts(arguments, folder):
    ours(arguments, folder, accumulate=8)


def separate(arguments, folder):
    ours(arguments, folder, head="vector")


def unfused(arguments, folder):
    from checkpoints_tools import encoder

    encoder.fuse = lambda encoder: None
    ours(arguments, folder)


def trainer(arguments, folder):
    import transformers

    rows, texts = read(arguments.data, arguments.pairs)
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.huggingface)
    model = transformers.BertForSequenceClassification.from_pretrained(arguments.huggingface, num_labels=2)
    packed = tokenizer(
        [texts[a] for a, _, _ in rows],
        [texts[b] for _, b, _ in rows],
        truncation="longest_first",
        max_length=arguments.length,
    )
    examples = [
        {name: values[i] for name, values in packed.items()} | {"labels": int(row[2])} for i, row in enumerate(rows)
    ]
    steps = len(rows) // BATCH
    times = {}

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, arguments, state, control, **more):
            times[state.global_step] = time.perf_counter()

    flags = transformers.TrainingArguments(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=BATCH,
        max_steps=2 * steps,
        learning_rate=2e-5,
        warmup_steps=steps // 5,
        weight_decay=0.01,
        bf16=arguments.bfloat16,
        use_cpu=True,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    collator = transformers.DataCollatorWithPadding(tokenizer)
    transformers.Trainer(model, flags, collator, examples, callbacks=[Clock()]).train()
    report(times[2 * steps] - times[steps])


def run_classifier(arguments, folder):
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    names = ("run_classifier", "modeling", "optimization", "tokenization_sentencepiece")
    code, modeling, optimization, tokenization = original.load(arguments.bert_japanese, *names)
    rows, texts = read(arguments.data, arguments.pairs)
    records, steps = str(folder / "train.tf_record"), arguments.pairs // BATCH
    code.file_based_convert_examples_to_features(
        original.make_examples(code, texts, rows),
        ["0", "1"],
        arguments.length,
        original.make_tokenizer(tokenization, arguments.bert),
        records,
    )
    read_batch = code.file_based_input_fn_builder(records, arguments.length, is_training=True, drop_remainder=True)
    batch = tf.data.make_one_shot_iterator(read_batch({"batch_size": BATCH})).get_next()
    config = modeling.BertConfig.from_json_file(str(arguments.bert / "bert_config.json"))
    inputs = [batch[name] for name in ("input_ids", "input_mask", "segment_ids", "label_ids")]
    loss, *_ = code.create_model(config, True, *inputs, num_labels=2, use_one_hot_embeddings=False)
    checkpoint = str(next(arguments.bert.glob("*.index")).with_suffix(""))
    assignments, _ = modeling.get_assignment_map_from_checkpoint(tf.trainable_variables(), checkpoint)
    tf.train.init_from_checkpoint(checkpoint, assignments)
    step = optimization.create_optimizer(loss, 2e-5, 2 * steps, steps // 5, use_tpu=False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for number in range(2 * steps):
            if number == steps:
                started = time.perf_counter()
            session.run([step, loss])
    report(time.perf_counter() - started)


_FILES = ("bert_config_file", "model_file", "vocab_file")
SIDES = {
    **{OURS: ours, IN_PARTS: in_parts, SEPARATE: separate, PADDED: padded, UNFUSED: unfused},
    **{PEER: trainer, ORIGINAL: run_classifier},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of honbun_data.json and negaposi.json")
    parser.add_argument("bert", type=Path, help="folder of the checkpoint")
    parser.add_argument("bert_japanese", type=Path, help="only for the original; otherwise any path")
    parser.add_argument("--pairs", type=int, default=320)
    parser.add_argument("--length", type=int, default=256, help="of an input, in pieces")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--beside", nargs="+", default=[PEER, ORIGINAL], choices=list(SIDES)[1:])
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--huggingface", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bfloat16", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.side:
            return SIDES[arguments.side](arguments, Path(folder))
        from keras_negaposi.modeling.precision import choose_precision

        convert(arguments.bert, next(arguments.bert.glob("*.model")), folder, arguments.length)
        more = ["--bfloat16"] if choose_precision("auto") == "bfloat16" else []
        command = [__file__, arguments.data, arguments.bert, arguments.bert_japanese, "--pairs", arguments.pairs]
        command += ["--length", arguments.length, "--huggingface", folder, *more, "--side"]
        sides = [OURS, *arguments.beside]
        found = alternate(lambda side: [*command, side], sides, arguments.rounds)
    print("| fine-tuning | pairs/s | MB | ours is faster, each round | of the matrix peak |\n|---|---|---|---|---|")
    for side in sides:
        speeds = sorted(arguments.pairs / each[side][0] for each in found)
        ratios = sorted(each[side][0] / each[OURS][0] for each in found)
        shares = sorted(share for each in found for share in each[side][2:])
        cells = [
            side,
            ", ".join(f"{speed:.1f}" for speed in speeds),
            f"{max(each[side][1] for each in found):,.0f}",
            ", ".join(f"{ratio:.2g}" for ratio in ratios),
            ", ".join(f"{share:.0%}" for share in shares),
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
