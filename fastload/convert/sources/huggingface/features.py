"""Which column of a table is what, by what ``datasets`` wrote into its schema, or by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_json import load_json_bytes
from fastload.convert.sources.huggingface.arrow import arrow
from fastload.convert.sources.object_table import ObjectFields, find_object_fields

__all__ = ["Columns", "find_columns", "image_columns"]

_IMAGES = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "pixel_values")
_LABELS = ("label", "labels", "class", "cls", "target", "category", "fine_label")
_OBJECTS = ("objects", "annotations", "object", "annotation")
_MAX_NAMES = 65_535


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns by what they hold; "" where there is none.

    Attributes:
        image: of photos.
        is_struct: photos are structs of ``bytes`` and ``path``; else just bytes.
        label: the photo's class; where it is a column of floats, it is among ``kept`` too.
        names: of the photos' classes; () where only numbers are known.
        objects: a struct of lists, or a list of structs.
        object_fields: what they hold; None: there are no objects.
        image_id: the photo's own number.
        kept: columns of texts, numbers and truth values, which are kept as they are.
        others: columns that are not packed, with their types.
    """

    image: str
    is_struct: bool
    label: str = ""
    names: tuple[str, ...] = ()
    objects: str = ""
    object_fields: ObjectFields | None = None
    image_id: str = ""
    kept: tuple[str, ...] = ()
    others: tuple[tuple[str, str], ...] = ()


def image_columns(schema: Any) -> list[str]:
    """Columns that may hold photos, the likeliest first."""
    features = _features(schema)
    found = [f.name for f in schema
             if _kind(features.get(f.name)) == "Image" and _holds_bytes(f.type)]  # fmt: skip
    if not found:
        named = {field.name.lower(): field for field in schema if _holds_bytes(field.type)}
        found = [named[name].name for name in _IMAGES if name in named]
        found += [f.name for f in schema if _is_image_struct(f.type) and f.name not in found]
    return sorted(found, key=lambda name: name.lower() != "image")


def find_columns(schema: Any) -> Columns:
    """What the columns of a schema are.

    Raises:
        LabelError: none holds photos.
    """
    images = image_columns(schema)
    if not images:
        raise LabelError(
            "expected a column of images (a struct of bytes and path, or bytes), found "
            f"{shown(schema.names)}"
        )
    features, image = _features(schema), images[0]
    fields: dict[str, Any] = {
        "image": image,
        "is_struct": _is_image_struct(schema.field(image).type),
    }
    objects = _objects(schema, features, fields)
    if not objects:
        label = _label(schema, features)
        fields |= {"label": label, "names": _class_names(features.get(label))}
    used = {image, objects, fields.get("label"), fields.get("image_id")}
    if fields.get("label") and _is_float(schema.field(fields["label"]).type):
        used.discard(fields["label"])  # it may hold no classes, but values to learn
    more = [field for field in schema if field.name not in used]
    kept = tuple(
        field.name for field in more if _is_kept(field.type) and schema.names.count(field.name) == 1
    )
    others = tuple((f.name, str(f.type)[:60]) for f in more if f.name not in kept)
    return Columns(**fields, kept=kept, others=others)


def _objects(schema: Any, features: Mapping[str, Any], fields: dict[str, Any]) -> str:
    """Adds the columns of objects to ``fields``; the name of the one that holds them, or ""."""
    for name in _OBJECTS:
        index = schema.get_field_index(name)
        inner = _inner(schema.field(index).type) if index >= 0 else {}
        found = find_object_fields(inner)
        if found is None:
            continue
        feature = _unlisted(features.get(name))
        described = feature if isinstance(feature, Mapping) else {}
        names = _class_names(_unlisted(described.get(found.category)))
        fields |= {"objects": name, "object_fields": replace(found, names=names)}
        types = arrow().types
        if "image_id" in schema.names and types.is_integer(schema.field("image_id").type):
            fields["image_id"] = "image_id"
        return name
    return ""


def _label(schema: Any, features: Mapping[str, Any]) -> str:
    known = [f.name for f in schema if _kind(features.get(f.name)) == "ClassLabel"]
    if not known:
        known = [f.name for f in schema if f.name.lower() in _LABELS and _is_class(f.type)]
    order = {name: place for place, name in enumerate(_LABELS)}
    return min(
        known,
        key=lambda name: (_is_float(schema.field(name).type), order.get(name.lower(), len(order))),
        default="",
    )


def _features(schema: Any) -> Mapping[str, Any]:
    """What ``datasets`` says of the columns; nothing where it did not write them."""
    text = (schema.metadata or {}).get(b"huggingface")
    if not text:
        return {}
    try:
        features = load_json_bytes(text)["info"]["features"]
    except (LabelError, KeyError, TypeError):
        return {}
    return features if isinstance(features, Mapping) else {}


def _kind(feature: object) -> str:
    return str(feature.get("_type", "")) if isinstance(feature, Mapping) else ""


def _unlisted(feature: object) -> object:
    """What a list's feature is a list of, in any of the ways that it was written."""
    if isinstance(feature, list) and feature:
        return feature[0]
    if isinstance(feature, Mapping) and _kind(feature) in ("Sequence", "List", "LargeList"):
        return feature.get("feature")
    return feature


def _class_names(feature: object) -> tuple[str, ...]:
    names = feature.get("names") if isinstance(feature, Mapping) else None
    if _kind(feature) != "ClassLabel" or not isinstance(names, list):
        return ()
    return tuple(map(str, names[:_MAX_NAMES]))


def _inner(kind: Any) -> dict[str, Any]:
    """The fields of a struct of lists, or of a list of structs."""
    types = arrow().types
    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    return {field.name: field.type for field in kind} if types.is_struct(kind) else {}


def _is_class(kind: Any) -> bool:
    return bool(arrow().types.is_integer(kind)) or _is_float(kind) or _is_text(kind)


def _is_float(kind: Any) -> bool:
    return bool(arrow().types.is_floating(kind))


def _is_kept(kind: Any) -> bool:
    """Whether values are scalars that JSON has, or lists of texts, as several captions are."""
    types = arrow().types
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_text(kind.value_type)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(is_number) or _is_text(kind)


def _is_text(kind: Any) -> bool:
    types = arrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_binary(kind: Any) -> bool:
    types = arrow().types
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_image_struct(kind: Any) -> bool:
    if not arrow().types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    return "bytes" in fields and _is_binary(fields["bytes"])


def _holds_bytes(kind: Any) -> bool:
    return _is_image_struct(kind) or _is_binary(kind)
