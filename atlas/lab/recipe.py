"""What goes into the guests' image: packages, files and the last steps. Any change makes a new image."""

from __future__ import annotations

IMAGES = {"debian-12": "bookworm"}
"""Images that can be built here, and the release that each holds."""

PACKAGES = (
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "zstd",
    "systemd-sysv",
    "systemd-resolved",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "cloud-init",
    "cloud-guest-utils",
    "e2fsprogs",
    "fdisk",
    "openssh-server",
    "qemu-guest-agent",
    "python3",
    "python3-apt",
    "sudo",
    "locales",
    "ca-certificates",
    "iproute2",
    "iputils-ping",
    "netbase",
    "systemd-timesyncd",
    "tzdata",
    "less",
    "curl",
)

_CLOUD_CFG = """\
# One source of data and one way to set up the network: nothing to search for at boot.
datasource_list: [NoCloud]
system_info:
  network:
    renderers: [networkd]
# An RSA key takes longer to make under emulation than the rest of the boot.
ssh_genkeytypes: [ed25519, ecdsa]
locale: false
apt_preserve_sources_list: true
cloud_init_modules: [seed_random, bootcmd, write-files, growpart, resizefs, disk_setup, mounts, set_hostname,
  update_hostname, update_etc_hosts, ca-certs, users-groups, ssh]
cloud_config_modules: [locale, set-passwords, apt-configure, ntp, timezone, runcmd]
cloud_final_modules: [package-update-upgrade-install, scripts-user, phone-home, final-message, power-state-change]
"""

_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "systemd-binfmt.service",
    "systemd-pstore.service",
    "cloud-init-hotplugd.socket",
)

FINISH = f"""\
set -eu
chroot "$1" locale-gen en_US.UTF-8 >/dev/null
chroot "$1" systemctl mask {" ".join(_MASKED)}
chroot "$1" systemctl enable systemd-networkd.service systemd-resolved.service
rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/etc/ssh/ssh_host_*
rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/apt/apt.conf.d/99mmdebstrap
# Fetching and reading the package lists takes most of a minute under emulation; those of the build are good for a
# day, and how old they are is read off their folder.
touch "$1"/var/lib/apt/lists
chroot "$1" apt-cache -q gencaches
# What keeps services from starting while packages are installed would keep them from it in the guest as well.
rm -f "$1"/usr/sbin/policy-rc.d
if [ -e "$1"/sbin/start-stop-daemon.REAL ]; then
    mv -f "$1"/sbin/start-stop-daemon.REAL "$1"/sbin/start-stop-daemon
fi
: > "$1"/etc/machine-id
ln -s ../run/systemd/resolve/stub-resolv.conf "$1"/etc/resolv.conf
# systemd rebuilds its catalogues at the first boot of what looks newer than they are.
touch "$1"/etc/.updated "$1"/var/.updated
# /proc, /sys and /dev are mounted in the root by now; a plain bind mount shows it without them.
mkdir "$1.root"
mount --bind "$1" "$1.root"
mke2fs -q -t ext4 -L lab-root -m 1 -E lazy_itable_init=1 -d "$1.root" "$1.raw" 2G
umount "$1.root"
rmdir "$1.root"
qemu-img convert -O qcow2 "$1.raw" "$1"/disk.qcow2
rm -f "$1.raw"
cp "$1"/boot/vmlinuz-* "$1"/vmlinuz.out
cp "$1"/boot/initrd.img-* "$1"/initrd.out
"""
"""Run by a shell outside the new root, which is `$1`; as root or as the mapped root of a plain user."""

KERNEL_ARGUMENTS = "root=LABEL=lab-root ro console=ttyS0 quiet systemd.show_status=false fsck.mode=skip ds=nocloud"
"""What the image's kernel is started with."""


def overlay(proxy: str) -> dict[str, str]:
    """Return the files laid into the root before the packages: `{relative path: text}`.

    Args:
        proxy: the URL that apt shall use inside a guest, or "".
    """
    files = {
        "etc/cloud/cloud.cfg.d/99_lab.cfg": _CLOUD_CFG,
        "etc/fstab": "LABEL=lab-root / ext4 noatime,errors=remount-ro 0 0\n",
        "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=zstd\n",
        "usr/share/initramfs-tools/modules.d/lab": "virtio_pci\nvirtio_scsi\nvirtio_blk\nsd_mod\nata_piix\n",
        "etc/locale.gen": "en_US.UTF-8 UTF-8\n",
        "etc/default/locale": "LANG=C.UTF-8\n",
    }
    if proxy and '"' not in proxy and "\n" not in proxy:
        files["etc/apt/apt.conf.d/95proxy"] = f'Acquire::http::Proxy "{proxy}";\n'
    return files
