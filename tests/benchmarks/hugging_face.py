"""A checkpoint or a run for Hugging Face's libraries, with a tokenizer that makes the same pieces."""

import subprocess
import sys


def convert(checkpoint, model_file, folder, length):
    """Writes both to ``folder``; ``model_file`` is SentencePiece's, ``length`` that of an input in pieces."""
    import sentencepiece
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    command = [sys.executable, "-m", "checkpoints_tools", "convert", checkpoint, "--to", "huggingface"]
    subprocess.run([str(part) for part in [*command, "--output_dir", folder]], check=True, capture_output=True)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model_file))
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [(name, processor.piece_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    names = {"unk_token": "<unk>", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=length, **names).save_pretrained(folder)
