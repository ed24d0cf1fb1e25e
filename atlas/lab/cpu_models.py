"""The CPU types that a VM may have."""

from __future__ import annotations

from collections.abc import Mapping

# Source: qemu-server 9.2, CPUConfig.
MODELS = frozenset(
    [
        "486",
        "Broadwell",
        "Broadwell-IBRS",
        "Broadwell-noTSX",
        "Broadwell-noTSX-IBRS",
        "Cascadelake-Server",
        "Cascadelake-Server-noTSX",
        "Cascadelake-Server-v2",
        "Cascadelake-Server-v4",
        "Cascadelake-Server-v5",
        "ClearwaterForest",
        "Conroe",
        "Cooperlake",
        "Cooperlake-v2",
        "EPYC",
        "EPYC-Genoa",
        "EPYC-Genoa-v2",
        "EPYC-IBPB",
        "EPYC-Milan",
        "EPYC-Milan-v2",
        "EPYC-Milan-v3",
        "EPYC-Rome",
        "EPYC-Rome-v2",
        "EPYC-Rome-v3",
        "EPYC-Rome-v4",
        "EPYC-Rome-v5",
        "EPYC-Turin",
        "EPYC-v3",
        "EPYC-v4",
        "EPYC-v5",
        "GraniteRapids",
        "GraniteRapids-v2",
        "GraniteRapids-v3",
        "Haswell",
        "Haswell-IBRS",
        "Haswell-noTSX",
        "Haswell-noTSX-IBRS",
        "Icelake-Client",
        "Icelake-Client-noTSX",
        "Icelake-Server",
        "Icelake-Server-noTSX",
        "Icelake-Server-v3",
        "Icelake-Server-v4",
        "Icelake-Server-v5",
        "Icelake-Server-v6",
        "Icelake-Server-v7",
        "IvyBridge",
        "IvyBridge-IBRS",
        "KnightsMill",
        "Nehalem",
        "Nehalem-IBRS",
        "Opteron_G1",
        "Opteron_G2",
        "Opteron_G3",
        "Opteron_G4",
        "Opteron_G5",
        "Penryn",
        "SandyBridge",
        "SandyBridge-IBRS",
        "SapphireRapids",
        "SapphireRapids-v2",
        "SapphireRapids-v3",
        "SapphireRapids-v4",
        "SierraForest",
        "SierraForest-v2",
        "SierraForest-v3",
        "Skylake-Client",
        "Skylake-Client-IBRS",
        "Skylake-Client-noTSX-IBRS",
        "Skylake-Client-v4",
        "Skylake-Server",
        "Skylake-Server-IBRS",
        "Skylake-Server-noTSX-IBRS",
        "Skylake-Server-v4",
        "Skylake-Server-v5",
        "Westmere",
        "Westmere-IBRS",
        "a64fx",
        "athlon",
        "core2duo",
        "coreduo",
        "cortex-a35",
        "cortex-a53",
        "cortex-a55",
        "cortex-a57",
        "cortex-a710",
        "cortex-a72",
        "cortex-a76",
        "host",
        "kvm32",
        "kvm64",
        "max",
        "neoverse-n1",
        "neoverse-n2",
        "neoverse-v1",
        "pentium",
        "pentium2",
        "pentium3",
        "phenom",
        "qemu32",
        "qemu64",
        "x86-64-v2",
        "x86-64-v2-AES",
        "x86-64-v3",
        "x86-64-v4",
    ]
)


FLAGS = (
    *("aes", "amd-no-ssb", "amd-ssbd", "hv-evmcs", "hv-tlbflush", "ibpb", "md-clear", "nested-virt", "pcid"),
    *("pdpe1gb", "spec-ctrl", "ssbd", "virt-ssbd"),
)
"""What one VM may switch; a custom model may any."""


def verify_cpu(given: Mapping[str, str]) -> str | None:
    """Check the type of a CPU option; return the fault in PVE's words, or None."""
    name = given.get("cputype")
    if not name:
        return "CPU is missing cputype"
    if name.startswith("custom-"):
        return f"Custom cputype '{name.removeprefix('custom-')}' not found"
    if name not in MODELS:
        return f"Built-in cputype '{name}' is not defined (missing 'custom-' prefix?)"
    flags = given.get("flags")
    if flags and any(flag[1:] not in FLAGS for flag in flags.split(";")):
        return f"VM-specific CPU flags must be a subset of: {', '.join(FLAGS)}"
    if "reported-model" in given:
        return "Property 'reported-model' not allowed in VM-specific CPU config."
    return None
