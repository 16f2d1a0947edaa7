"""What a text says about a symbol: its sentiment, the symbols it names, its keywords. Pure, with one model file."""
