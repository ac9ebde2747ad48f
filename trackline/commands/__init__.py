"""The commands, one module each: arguments in, words and an exit code out."""
