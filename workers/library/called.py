"""What the library calls a child, wherever a row names one."""


class Called:
    """Somebody with an id and, where the library knows it, a name."""

    student_id: str
    display_name: str | None

    @property
    def name(self) -> str:
        """What the library calls the child: by name, or by id where it knows none."""
        return self.display_name or self.student_id
