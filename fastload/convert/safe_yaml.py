"""YAML from a data set that may be hostile: plain values only, no name twice, bounded."""

from __future__ import annotations

from typing import Any

import yaml

from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_text import utf8_text

__all__ = ["MAX_YAML_BYTES", "load_yaml"]

# PyYAML takes about a second a megabyte.
MAX_YAML_BYTES = 4 << 20
# Numbers to the base of 60 (1:59:59) take time that grows with the square of their length.
_MAX_NUMBER_CHARACTERS = 400
_MERGE = "tag:yaml.org,2002:merge"


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader, which makes no objects, and refuses a key that stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value if isinstance(node, yaml.MappingNode) else ():
            # Merging ("<<") copies, and copies of copies may be without end.
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE:
                raise LabelError("expected a plain key", _line(key_node))
            key = self.construct_object(key_node)
            if key in seen:
                raise LabelError(f"the key {shown(key)} stands twice", _line(key_node))
            seen.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind in ("int", "float") and len(node.value) > _MAX_NUMBER_CHARACTERS:
            what = f"no valid YAML: a number of {len(node.value)} characters"
            raise LabelError(what, _line(node))
        try:
            return super().construct_object(node, deep)
        except (LookupError, AttributeError):  # such as !!bool x, !!int '', !!timestamp x
            what = f"no valid YAML: {shown(node.value)} is no {kind}"
            raise LabelError(what, _line(node)) from None


def load_yaml(data: bytes) -> dict[Any, Any]:
    """The mapping that a YAML file holds.

    Raises:
        LabelError: it is no such file; with the line.
    """
    if len(data) > MAX_YAML_BYTES:
        raise LabelError(f"expected at most {MAX_YAML_BYTES} bytes, found {len(data)}")
    try:
        found = yaml.load(utf8_text(data), _StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise LabelError(f"no valid YAML: {what}", 0 if mark is None else mark.line + 1) from None
    except (RecursionError, ValueError) as error:
        raise LabelError(f"no valid YAML: {error}"[:200]) from None
    if not isinstance(found, dict):
        raise LabelError(f"expected names with values, found {type(found).__name__}")
    return found


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
