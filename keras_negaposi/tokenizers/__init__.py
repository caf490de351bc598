"""From texts to token ids: one tokenizer for each kind of public Japanese BERTs."""
