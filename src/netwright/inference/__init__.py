"""Answers of a trained model: predictions, generation, embeddings."""
