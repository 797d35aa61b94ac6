"""How fast, how far: each figure beside a baseline or a limit measured in the same run."""
