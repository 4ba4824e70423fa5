"""The bill of materials of a package, as CycloneDX 1.6: exactly its wheels.

Serial number and time follow from the content and the commit, so that the same package has the
same bill.
"""

import hashlib
import json
import uuid
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from email.message import Message
from email.parser import BytesParser

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.package.source import Source
from infra.package.target import Target
from infra.package.wheels import Wheel

_NAMESPACE = uuid.UUID("c5b5d3a4-0a3b-5b0c-9a57-3f6f0a8a9d11")
_LONGEST_NAME = 64


def bill(
    wheels: Iterable[Wheel], *, source: Source, target: Target, name: str, version: str
) -> str:
    """The bill as JSON text."""
    bom = Bom()
    app = Component(type=ComponentType.APPLICATION, name=name, version=version, bom_ref=name)
    bom.metadata.component = app
    bom.metadata.timestamp = source.committed_at
    held = {wheel.name: wheel for wheel in wheels}
    components = {each: _component(wheel) for each, wheel in held.items()}
    for component in components.values():
        bom.components.add(component)
    bom.register_dependency(app, components.values())
    for each, names in _dependencies(held, target).items():
        bom.register_dependency(components[each], [components[needed] for needed in names])
    sums = {each: wheel.sha256 for each, wheel in sorted(held.items())}
    said = json.dumps([name, version, source.commit, source.changed, target.python, sums])
    bom.serial_number = uuid.uuid5(_NAMESPACE, hashlib.sha256(said.encode()).hexdigest())
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return text + "\n"


def _component(wheel: Wheel) -> Component:
    metadata = _metadata(wheel)
    return Component(
        type=ComponentType.LIBRARY,
        name=wheel.name,
        version=wheel.version,
        bom_ref=f"{wheel.name}=={wheel.version}",
        purl=PackageURL(
            type="pypi",
            name=wheel.name,
            version=wheel.version,
            qualifiers={"file_name": wheel.path.name},
        ),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        licenses=[licence] if (licence := _licence(metadata)) else None,
        properties=[Property(name="azure-files-restore:wheel", value=wheel.path.name)],
    )


def _metadata(wheel: Wheel) -> Message:
    with zipfile.ZipFile(wheel.path) as archive:
        (path,) = [
            name
            for name in archive.namelist()
            if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        ]
        return BytesParser().parsebytes(archive.read(path))


def _licence(metadata: Message) -> License | None:
    """What the wheel says: an expression, else its classifiers, else a short name, else nothing."""
    if expression := metadata.get("License-Expression"):
        return LicenseExpression(str(expression))
    prefix = "License :: OSI Approved :: "
    named = [
        str(each).removeprefix(prefix)
        for each in metadata.get_all("Classifier", [])
        if str(each).startswith(prefix)
    ]
    name = " and ".join(named) or str(metadata.get("License", "")).strip()
    if not name or "\n" in name or len(name) > _LONGEST_NAME:
        return None
    return DisjunctiveLicense(name=name)


def _dependencies(held: Mapping[str, Wheel], target: Target) -> dict[str, list[str]]:
    """Which wheel needs which, as far as they are in the package."""
    wanted = {
        name: [Requirement(str(text)) for text in _metadata(wheel).get_all("Requires-Dist", [])]
        for name, wheel in held.items()
    }
    extras: dict[str, set[str]] = defaultdict(lambda: {""})
    for requirements in wanted.values():
        for requirement in requirements:
            extras[str(canonicalize_name(requirement.name))] |= requirement.extras
    return {
        name: sorted(
            {
                needed
                for requirement in requirements
                if (needed := str(canonicalize_name(requirement.name))) in held
                and any(_holds(requirement, target, extra) for extra in extras[name])
            }
        )
        for name, requirements in wanted.items()
    }


def _holds(requirement: Requirement, target: Target, extra: str) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**target.markers, "extra": extra})
