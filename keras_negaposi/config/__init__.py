"""The configuration of each command: a frozen dataclass whose fields are also the command's flags."""

from keras_negaposi.config.data import BOTH, SPLITS, BaselineConfig, DataConfig, PairsConfig
from keras_negaposi.config.exporting import ExportConfig
from keras_negaposi.config.model import (
    REQUIRED,
    ModelFiles,
    PretrainedConfig,
    check_complete,
    check_required,
    complete_model_files,
)
from keras_negaposi.config.pair_source import PAIR_SOURCES, PairSource, check_pairs_given
from keras_negaposi.config.serving import ServeConfig
from keras_negaposi.config.training import HeadConfig, PrepareConfig, TrainConfig
from keras_negaposi.config.using import EvaluateConfig, IndexConfig, PredictConfig, SuggestConfig

__all__ = [
    "BOTH",
    "PAIR_SOURCES",
    "REQUIRED",
    "SPLITS",
    "BaselineConfig",
    "DataConfig",
    "EvaluateConfig",
    "ExportConfig",
    "HeadConfig",
    "IndexConfig",
    "ModelFiles",
    "PairSource",
    "PairsConfig",
    "PredictConfig",
    "PrepareConfig",
    "PretrainedConfig",
    "ServeConfig",
    "SuggestConfig",
    "TrainConfig",
    "check_complete",
    "check_pairs_given",
    "check_required",
    "complete_model_files",
]
