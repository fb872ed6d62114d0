"""Real photos beside the checkout, where there are any; the tests do without them."""

from __future__ import annotations

from pathlib import Path

#: Beside the checkout: never a part of it.
FOLDER = Path(__file__).resolve().parents[3] / "shared" / "photos"
ABSENT_REASON = "no folder ../shared/photos beside the checkout"


def find(name: str, most: int | None = None) -> list[Path]:
    """JPEG files below ``shared/photos/<name>``, sorted; ``most`` of them, evenly spread."""
    files = sorted(
        path
        for path in (FOLDER / name).rglob("*")
        if path.suffix.lower() in {".jpg", ".jpeg"} and path.is_file()
    )
    if most is None or len(files) <= most:
        return files
    return [files[i * len(files) // most] for i in range(most)]
