"""What keeps the product from starting, said to the person who started it."""


class CannotStart(Exception):
    """Its message is all that the person sees: one clear line, no traceback."""
