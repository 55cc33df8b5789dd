"""Everything that Callboard asks of git, and nothing of the board: places and trees in, what was found or done out."""
