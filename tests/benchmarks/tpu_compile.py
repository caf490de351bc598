"""Compiles a whole training step with the real TPU compiler, without a TPU: an optional check, in two environments.

python tests/benchmarks/tpu_compile.py dump FOLDER [flags of train]
python tests/benchmarks/tpu_compile.py compile FOLDER [v5e:2x2 ...]

The first writes the step as HLO, one file for each shape of its inputs: a TPU compiles once for each. The second needs
``pip install "jax[tpu]==0.6.2"`` in an environment without TensorFlow, with which libtpu does not get along. It
compiles for each topology's first chip, and prints a table of what the step needs there, as the compiler reports it.
The dumped step is one device's: what several exchange is not in it.
"""

import argparse
import dataclasses
import functools
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

TOPOLOGIES = ("v2:2x2", "v3:2x2", "v4:2x2x1", "v5e:2x2", "v5p:2x2x1", "v6e:2x2")


def dump(arguments, flags):
    import tensorflow as tf

    from checkpoints_tools.common.cli import make_parser
    from keras_negaposi import train
    from keras_negaposi.input_pipeline.datasets import BatchOptions, train_dataset
    from keras_negaposi.input_pipeline.feature_spec import MASK_INPUT
    from keras_negaposi.input_pipeline.tfrecords import prepare
    from keras_negaposi.modeling import fast_layers
    from keras_negaposi.modeling.heads import build
    from keras_negaposi.training.fit import build_for_training
    from keras_negaposi.training.run_inputs import read_run_inputs
    from keras_negaposi.training.similar_batches import choose_batches

    # What is only for processors is not in a TPU's step.
    mock.patch.object(fast_layers, "_compiles", return_value=False).start()
    parser = make_parser("tpu_compile", __doc__)
    train.add_options(parser, train.TrainConfig)
    with tempfile.TemporaryDirectory() as folder:
        config = train.configure(parser.parse_args([*flags, f"--output_dir={folder}/run"]))
        config = dataclasses.replace(config, precision="bfloat16")  # as on a TPU
        run_inputs = read_run_inputs(config)
        records = prepare(run_inputs.inputs, f"{folder}/records")
        pretrained = run_inputs.pretrained
        build_model = functools.partial(build, config, pretrained.bert_config)
        steps = run_inputs.total_steps
        model = build_for_training(config, pretrained, steps, build_model, tf.distribute.get_strategy())
        options = BatchOptions(config.train_batch_size, length_buckets=config.length_buckets or 1)
        batches = train_dataset(records, options, chosen=choose_batches(run_inputs.inputs, config, steps))
        buckets = records.buckets(options.length_buckets)
        masks = [prefix + MASK_INPUT for prefix in buckets.prefixes]
        arguments.folder.mkdir(parents=True, exist_ok=True)
        seen = {}
        for batch in batches.take(50):
            shape = "-".join("x".join(map(str, batch[0][mask].shape)) for mask in masks)
            seen.setdefault(shape, batch)
        possible = len(buckets.boundaries) ** len(masks)
        print(f"{len(seen)} of {possible} shapes")
        assert len(seen) <= possible, "more shapes than buckets: a TPU would compile again and again"
        for shape, batch in seen.items():
            step = tf.function(lambda *batch: model.train_step(batch), jit_compile=True, autograph=False)
            content = step.experimental_get_compiler_ir(*batch)(stage="hlo_serialized")
            path = arguments.folder / f"{config.head}-{config.loss}-{shape}.hlo"
            path.write_bytes(content)
            print(f"{path}: {len(content):,} bytes")


def compile_all(arguments, topologies):
    print(
        "| step | topology | GFLOP | arguments, MB | results, MB | temporary, MB | code, MB |",
        "|---" * 7 + "|",
        sep="\n",
    )
    failed = 0
    for file in sorted(arguments.folder.glob("*.hlo")):
        for name in topologies or TOPOLOGIES:
            try:
                # In a process of its own: libtpu keeps gigabytes of each compilation.
                with ProcessPoolExecutor(1, get_context("spawn")) as process:
                    found = process.submit(compile_one, name, file).result()
            except Exception as error:  # whatever the compiler or a private API raises
                failed += 1
                found = [f"{type(error).__name__}: {str(error)[:300]}"]
            print(f"| {file.stem} | {name} | {' | '.join(found)} |", flush=True)
    return 1 if failed else 0


def needs(executable):
    """Returns GFLOP of a step, and MB of its arguments, results, temporary values and code with its constants."""
    memory = executable.get_compiled_memory_stats()
    sizes = (getattr(memory, f"{part}_size_in_bytes") for part in ("argument", "output", "temp", "generated_code"))
    return [f"{executable.cost_analysis()['flops'] / 1e9:,.0f}", *(f"{size / 1e6:,.0f}" for size in sizes)]


def compile_one(topology, file):
    """By what jax itself calls: its public functions only compile programs that were written in jax."""
    # Off a TPU libtpu would ask Google's metadata server who it is.
    os.environ |= {"TPU_SKIP_MDS_QUERY": "1", "JAX_PLATFORMS": "cpu", "TPU_WORKER_HOSTNAMES": "localhost"}
    import numpy as np
    from jax._src.lib import xla_client
    from jax.experimental.topologies import get_topology_desc

    device = get_topology_desc(topology, "tpu").devices[0]
    program = xla_client._xla.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(file.read_bytes()))
    options = xla_client.CompileOptions()
    options.num_replicas = options.num_partitions = 1
    options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
    return needs(device.client.compile(program.encode(), xla_client._xla.DeviceList((device,)), options))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["dump", "compile"])
    parser.add_argument("folder", type=Path)
    arguments, rest = parser.parse_known_args()
    return dump(arguments, rest) if arguments.work == "dump" else compile_all(arguments, rest)


if __name__ == "__main__":
    sys.exit(main())
