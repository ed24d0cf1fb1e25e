"""The check of a call's parameters against the API table, in PVE's order and words."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from atlas.lab.call import PVEError
from atlas.lab.formats import MISSING, UNDEFINED, parse_properties, verify
from atlas.lab.property_formats import VALIDATORS, properties
from atlas.lab.table import Method, Schema

# How many of a numbered parameter there are. Source: qemu-server, pve-container.
NUMBERED = {
    "net": 32, "scsi": 31, "virtio": 16, "ide": 4, "sata": 6, "unused": 256, "mp": 256, "dev": 256, "ipconfig": 32,
    "hostpci": 16, "usb": 14, "serial": 4, "parallel": 3, "numa": 8, "virtiofs": 10, "link": 8, "acmedomain": 6,
}  # fmt: skip
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DIGITS = re.compile(r"([a-z]+)(\d+)")


_SPLIT = frozenset({"/cluster/ha/rules", "/cluster/ha/rules/{rule}"})
_SPLIT_BASE = frozenset({"rule", "type", "delete", "digest"})
_SPLIT_NEEDED = frozenset({"nodes", "affinity", "resources"})


def schema_of(parameters: Mapping[str, Schema], name: str) -> Schema | None:
    """Return the schema of a parameter, also of `net0` where the table has `net[n]`."""
    known = parameters.get(name)
    if known is not None:
        return known
    match = _DIGITS.fullmatch(name)
    if match and str(int(match[2])) == match[2] and int(match[2]) < NUMBERED.get(match[1], 0):
        return parameters.get(f"{match[1]}[n]")
    return None


def check_call(method: Method, given: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Check a call's parameters; parts of the path that the method declares none for stay as they came.

    Args:
        method: What is called.
        given: The values as they came, those of the path among them.
        places: Those of the path.

    Raises:
        PVEError: 400 with every faulty parameter.
    """
    if method.template in _SPLIT and method.verb != "GET":
        return _check_split(method, given)
    free = {name: value for name, value in places.items() if name not in method.parameters}
    kept = {name: value for name, value in given.items() if name not in free}
    if method.open:
        kept = {name: value for name, value in kept.items() if schema_of(method.parameters, name)}
    return free | check(method.parameters, kept)


def _check_split(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check a call whose schema is split by the object's type: a fault in a type's own part names the type."""
    base = {name: schema for name, schema in method.parameters.items() if name in _SPLIT_BASE}
    kind = given.get("type")
    own: dict[str, Schema] = {}
    if kind in base.get("type", {}).get("enum", ()):
        for name, schema in method.parameters.items():
            if name not in base and kind in schema.get("instance-types", [kind]):
                needed = method.verb == "POST" and name in _SPLIT_NEEDED
                own[name] = {**schema, "optional": 0} if needed else schema
    try:
        return check({**base, **own}, given)
    except PVEError as error:
        errors = {f"oneOf[{kind}].{name}" if name in own else name: text for name, text in (error.errors or {}).items()}
        raise PVEError(400, errors=errors) from error


def check(parameters: Mapping[str, Schema], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check parameters and give them their types.

    Args:
        parameters: The method's schemas.
        given: The values as they came: texts, and lists or dicts where a client sent those.

    Returns:
        The values, numbers as numbers and booleans as 0 or 1.

    Raises:
        PVEError: 400 with every faulty parameter.
    """
    errors: dict[str, str] = {}
    typed: dict[str, Any] = {}
    for name, schema in parameters.items():
        if given.get(name) is not None or name.endswith("[n]"):
            continue
        form = _instance(schema, given)
        if form is not None and not form.get("optional") and _applies(form, given):
            errors[name] = MISSING
    for name, value in given.items():
        entry = schema_of(parameters, name)
        instance = _instance(entry, given) if entry is not None else None
        if instance is None:
            errors[name] = UNDEFINED
        if instance is None or value is None:
            continue
        needed = instance.get("requires")
        if needed and given.get(needed) is None:
            missing = f"missing property required by '{name}'"
            errors[needed] = (
                f"{errors[needed]}\\n{missing}" if needed in errors else missing
            )  # not a line's end: PVE's own
        if isinstance(value, list) and instance.get("type", "string") == "string" and _is_list(instance):
            value = ",".join(map(str, value))  # noqa: PLW2901  a parameter given more than once, as PVE still takes it
        before = len(errors)
        _check_value(name, instance, value, errors)
        typed[name] = _typed(instance, value) if len(errors) == before else value
    if errors:
        raise PVEError(400, errors=errors)
    return typed


def _is_list(schema: Schema) -> bool:
    return str(schema.get("format", "")).endswith("-list")


def _instance(schema: Schema, given: Mapping[str, Any]) -> Schema | None:
    """Return the form of a schema that holds for the object's type; None where a choice has none for it."""
    forms: list[Schema] | None = schema.get("oneOf")
    if forms is None:
        return schema  # a property of other types only is the code's affair, not the schema's
    kind = given.get(schema.get("type-property", "type"))
    return next((form for form in forms if kind is None or kind in form.get("instance-types", [kind])), None)


def _applies(form: Schema, given: Mapping[str, Any]) -> bool:
    """Say whether a property belongs to objects of the given type at all."""
    kind = given.get(form.get("type-property", "type"))
    return "instance-types" not in form or kind in form["instance-types"]


def _check_value(path: str, schema: Schema, value: Any, errors: dict[str, str]) -> None:
    kind = schema.get("type", "string")
    if kind == "array":
        if value == "":
            errors[path] = "type check ('array') failed"
            return
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            _check_value(f"{path}[{index}]", schema.get("items", {}), item, errors)
        return
    if isinstance(value, list | dict):
        errors[path] = f"type check ('{kind}') failed - got {'ARRAY' if isinstance(value, list) else 'HASH'}"
        return
    text = str(value)
    if not _has_type(kind, text):
        errors[path] = f"type check ('{kind}') failed - got '{text}'"
        return
    fault = _format_fault(path, schema.get("format"), text)
    if fault is not None:
        errors[path] = f"invalid format - {fault}\n"
        return
    pattern = schema.get("pattern")
    if pattern is not None and not re.search(f"^(?:{perl(pattern)})$", text):
        errors[path] = "value does not match the regex pattern"
    elif (fault := _limit_fault(schema, text)) is not None:
        errors[path] = fault


def _limit_fault(schema: Schema, text: str) -> str | None:
    if "maxLength" in schema and len(text) > int(schema["maxLength"]):
        return f"value may only be {schema['maxLength']} characters long"
    if "minLength" in schema and len(text) < int(schema["minLength"]):
        return f"value must be at least {schema['minLength']} characters long"
    if _NUMBER.fullmatch(text):
        if "maximum" in schema and float(text) > float(schema["maximum"]):
            return f"value must have a maximum value of {schema['maximum']}"
        if "minimum" in schema and float(text) < float(schema["minimum"]):
            return f"value must have a minimum value of {schema['minimum']}"
    if schema.get("enum") and text not in schema["enum"]:
        return f"value '{text}' does not have a value in the enumeration '{', '.join(schema['enum'])}'"
    return None


@functools.cache
def perl(pattern: str) -> str:
    """Return a Perl pattern of the table in Python's writing.

    A separator that may be empty, between runs that repeat, matches nothing more than one that may not; but Python
    would try every way to cut a long text into runs, for years.
    """
    pattern = pattern.replace("|[-]*)", "|[-]+)")
    return re.sub(r"\(\?\^([a-z]*):", lambda m: f"(?{m[1].replace('u', '')}:" if m[1] else "(?:", pattern)


def _has_type(kind: str, text: str) -> bool:
    if kind == "integer":
        return bool(_INTEGER.fullmatch(text))
    if kind == "number":
        return bool(_NUMBER.fullmatch(text))
    if kind == "boolean":
        return text in ("0", "1")
    return True


def _format_fault(path: str, form: Any, text: str) -> str | None:
    if form is None:
        return None
    validate = None
    if isinstance(form, str):
        known = properties(form)
        if known is None:
            return verify(form, text)
        form, validate = known, VALIDATORS.get(form)
    found, fault = parse_properties(form, text)
    if fault is not None:
        return fault
    inner: dict[str, str] = {}
    for key, field in form.items():
        if "alias" not in field and not field.get("optional") and key not in found:
            inner[f"{path}.{key}"] = MISSING
    for key, value in found.items():
        field = form.get(key)
        if field is None:
            inner[f"{path}.{key}"] = UNDEFINED
            continue
        if field.get("requires") and field["requires"] not in found:
            inner[f"{path}.{field['requires']}"] = f"missing property required by '{path}.{key}'"
        _check_value(f"{path}.{key}", field, value, inner)
    if not inner:
        return validate(found) if validate else None
    return "\n".join(["format error", *(f"{key}: {value}" for key, value in inner.items())])


def _typed(schema: Schema, value: Any) -> Any:
    kind = schema.get("type", "string")
    if kind == "array":
        return [_typed(schema.get("items", {}), item) for item in (value if isinstance(value, list) else [value])]
    text = str(value)
    if kind == "integer":
        return int(text)
    if kind == "number":
        number = float(text)
        return int(number) if number.is_integer() and "e" not in text.lower() and "." not in text else number
    if kind == "boolean":
        return int(text == "1")
    return text
