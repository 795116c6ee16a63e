"""Comparing an answer with a documented one: members and JSON types, not values."""

_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array",
          dict: "object", type(None): "null"}


def type_of(value):
    return _TYPES[type(value)]


def differences(documented, actual, path="$"):
    """What is documented and is missing or of another type, in words. More members are fine."""
    if type_of(documented) != type_of(actual):
        return [f"{path} is {type_of(actual)}, documented is {type_of(documented)}"]
    if isinstance(documented, dict):
        found = []
        for name, member in documented.items():
            if name not in actual:
                found.append(f"{path}.{name} is missing")
            else:
                found += differences(member, actual[name], f"{path}.{name}")
        return found
    if isinstance(documented, list) and documented:
        return [difference for index, member in enumerate(actual)
                for difference in differences(documented[0], member, f"{path}[{index}]")]
    return []


def check(documented, answer):
    found = differences(documented, answer.body)
    assert not found, "; ".join(found) + f"\n{answer}"
