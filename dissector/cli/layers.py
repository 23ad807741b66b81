# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``dissector check`` says of Scapy layers: a class, the classes of a module, those of a whole package.

A layer that is refused is one problem.  One that translates may still lead to layers that are refused; their octets
are shown without their fields, and that is told below it.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scapy.packet import Packet

from dissector.errors import Refused
from dissector.frontend.layers import class_source
from dissector.frontend.packets import suite as translated
from dissector.frontend.packets.doubts import doubts
from dissector.frontend.values import class_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dissector.cli.check import Report


def modules_of(package: ModuleType, report: Report) -> Iterator[ModuleType]:
    """Give a module, or all modules of a package; what cannot be imported is a problem."""
    yield package
    for info in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}.", onerror=lambda _: None):
        try:
            yield importlib.import_module(info.name)
        except Exception as error:  # noqa: BLE001 - somebody's code, which fails as it likes
            report.refuse(info.name, f"cannot be imported: {type(error).__name__}: {error}", "")


def layers_of(module: ModuleType) -> list[type[Packet]]:
    """Give the layers that a module defines, in its order; a base class without fields is none."""
    found: list[Any] = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Packet)]
    return [cls for cls in dict.fromkeys(found) if cls.__module__ == module.__name__ and cls.fields_desc]


def check_layers(report: Report, classes: list[Any]) -> None:
    """Translate *classes*, and look at what they lead to."""
    try:
        suite = translated(classes)
    except Refused as error:
        report.refuse(error.where, error.what, error.hint)
        return
    refused = {opaque.name: opaque for opaque in suite.opaques}
    for cls in classes:
        opaque = refused.get(class_name(cls))
        if opaque is None:
            report.translate(cls.__name__, str(class_source(cls)))
        else:
            report.refuse(opaque.where, opaque.what, opaque.hint)
    own = {class_name(cls) for cls in classes}
    for opaque in suite.opaques:
        if opaque.name not in own:
            report.refuse(opaque.where, f"{opaque.what} (its octets are shown without fields)", opaque.hint)
    for doubt in doubts(classes, suite):
        report.refuse(doubt.where, doubt.what, doubt.hint)


def check_class(report: Report, target: Any, name: str) -> None:
    """Translate what should be one layer."""
    if not (isinstance(target, type) and issubclass(target, Packet)):
        report.refuse(name, f"{target!r} is not a Scapy layer", "a layer is a subclass of scapy.packet.Packet")
    elif not getattr(target, "fields_desc", None):
        report.refuse(str(class_source(target)), f"{target.__name__} has no fields", "declare fields_desc")
    else:
        check_layers(report, [target])


def check_modules(report: Report, module: ModuleType) -> None:
    """Translate the layers of a module, or of a package and all its modules."""
    known = 0
    for each in modules_of(module, report):
        classes = layers_of(each)
        known += len(classes)
        if classes:
            check_layers(report, classes)
    if not known and not report.refused:
        what = "no layers in this package" if hasattr(module, "__path__") else "no layers in this module"
        report.refuse(module.__name__, what, "a layer is a subclass of scapy.packet.Packet with fields")
