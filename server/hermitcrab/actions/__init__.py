"""What can be offered at a place in a file, and the words each verb puts to the model.

Places come in from `lsp`, already in our own coordinates.
Offers and prompts go back; no model is called and nothing is read from disk here.
"""
