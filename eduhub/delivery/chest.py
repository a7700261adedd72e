"""The key files of this machine: who may read them, and that a torn one cannot exist.

`data_dir/keys` is 0700, each file 0600 and one line: 64 hex digits, the 32 secret bytes. Nothing
makes a key by itself; whoever sets a machine up calls the `make_...` functions. The root key may
be anywhere else (a stick in a drawer), so whoever needs it is handed it: see `read_key`.

This module must not know what a key may sign; that is `trust.py`. See docs/formats/keys.md.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from eduhub.delivery.disk import sync_folder
from eduhub.errors import BadFormat, KeyMissing
from eduhub.signing import SigningKey, key_id, new_sealing_seed, sealing_public

_SEED_BYTES = 32


class KeyChest:
    """The keys in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def root(self) -> SigningKey:
        """The hub's root key, where it has not been taken away. Raises KeyMissing."""
        return SigningKey.from_seed(self._read("root"))

    @property
    def has_root(self) -> bool:
        """Whether the root key still lies here."""
        return self._path("root").exists()

    @property
    def publishing(self) -> SigningKey:
        """The hub's present publishing key. Raises KeyMissing, always on a node."""
        return SigningKey.from_seed(self._read("publishing"))

    @property
    def node_signing(self) -> SigningKey:
        """The node's Ed25519 key. Raises KeyMissing."""
        return SigningKey.from_seed(self._read("node-signing"))

    @property
    def node_sealing(self) -> bytes:
        """The secret bytes of the node's X25519 key. Raises KeyMissing."""
        return self._read("node-sealing")

    @property
    def secret(self) -> bytes:
        """32 bytes that only this machine knows, for HMACs. Raises KeyMissing."""
        return self._read("secret")

    def make_secret(self) -> bytes:
        """This machine's secret, made at the first call; processes that race get the same one."""
        return self._make("secret", secrets.token_bytes(_SEED_BYTES))

    def make_node_keys(self) -> None:
        """A node's signing and sealing keys, made at the first call."""
        self._make("node-signing", SigningKey.generate().seed)
        self._make("node-sealing", new_sealing_seed())

    def make_root(self) -> SigningKey:
        """A hub's root key, made at the first call."""
        return SigningKey.from_seed(self._make("root", SigningKey.generate().seed))

    def make_publishing(self) -> SigningKey:
        """A hub's first publishing key, made at the first call."""
        return SigningKey.from_seed(self._make("publishing", SigningKey.generate().seed))

    def make_next_publishing(self) -> SigningKey:
        """The key that will follow the present publishing key; not used until `adopt_next_publishing`."""
        return SigningKey.from_seed(self._make("publishing-next", SigningKey.generate().seed))

    @property
    def next_publishing(self) -> SigningKey | None:
        """The key that will follow, where a rotation is under way or was cut."""
        return SigningKey.from_seed(self._read("publishing-next")) if self._path("publishing-next").exists() else None

    def drop_next_publishing(self) -> None:
        """Throw away the key that would have followed: one that was left lying by a rotation which was cut may have been seen too."""
        with suppress(FileNotFoundError):
            self._path("publishing-next").unlink()
            sync_folder(self.folder)

    def adopt_next_publishing(self) -> None:
        """From now on publish with the next key, if there is one; the one before is destroyed."""
        with suppress(FileNotFoundError):
            os.rename(self._path("publishing-next"), self._path("publishing"))
            sync_folder(self.folder)

    def make_hub_sealing(self) -> bytes:
        """The secret bytes of the hub's X25519 key, to which boxes seal what a stick carries home; made at the first call."""
        return self._make("hub-sealing", new_sealing_seed())

    def renew_hub_sealing(self) -> None:
        """From now on another key; the one before stays, for a stick may be on its way for months."""
        seed = self.make_hub_sealing()
        before = self._path(f"hub-sealing-{key_id(sealing_public(seed))}")
        if not before.exists():
            write_key(before, seed)
        self._path("hub-sealing").unlink()
        sync_folder(self.folder)
        self.make_hub_sealing()

    def hub_sealing_of(self, key: str) -> bytes | None:
        """The secret bytes of the hub's X25519 key with this id, also of one from before; None where it is not here."""
        for path in sorted(self.folder.glob("hub-sealing*.key")):
            seed = _read_seed(path)
            if key_id(sealing_public(seed)) == key:
                return seed
        return None

    def take_root_away(self, to: Path) -> None:
        """Move the root key to the new file `to` (a stick, say); it is gone from here when it can be read there.

        Raises KeyMissing when it is not here, FileExistsError when `to` is.
        """
        root = self.root
        write_key(to, root.seed)
        if read_key(to).id == root.id:
            self._path("root").unlink()
            sync_folder(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def _read(self, name: str) -> bytes:
        return _read_seed(self._path(name))

    def _make(self, name: str, seed: bytes) -> bytes:
        if not self._path(name).exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                write_key(self._path(name), seed)
                if os.geteuid() == 0:  # a command that root typed must not take the key from the hub, which runs as somebody else
                    owner = self.folder.stat()
                    os.chown(self._path(name), owner.st_uid, owner.st_gid)
        return self._read(name)


def read_key(path: Path) -> SigningKey:
    """The signing key in a key file, wherever it lies. Raises KeyMissing, BadFormat."""
    return SigningKey.from_seed(_read_seed(path))


def write_key(path: Path, seed: bytes) -> None:
    """Write a key file that did not exist; it is whole from the moment it can be seen."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"{seed.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        _reveal(new, path)
        sync_folder(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _reveal(new: Path, path: Path) -> None:
    """Give the file its name unless that is taken."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # a stick has FAT, which knows no hard links; nobody races for a name there
        if path.exists():
            raise FileExistsError(str(path)) from None
        os.rename(new, path)


def _read_seed(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise KeyMissing(f"no key file {path.name}", key=path.stem) from error
    except ValueError as error:
        raise BadFormat(f"{path.name} is not a key file") from error
    try:
        seed = bytes.fromhex(text.strip())
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise BadFormat(f"{path.name} is not a key file")
    return seed
