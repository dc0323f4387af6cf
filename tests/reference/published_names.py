"""Names that repositories publish, made from timm's: the inverse of weights-tools/keys_*.c, written independently of it."""
