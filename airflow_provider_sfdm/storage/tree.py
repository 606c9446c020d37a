"""Listing a tree of folders in the order of S3's keys, one folder in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from .base import ObjectInfo

# What list_objects_v2 returns at most in one answer.
PAGE = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Node(Generic[T]):
    """One entry of a folder: a file (with what its folder knows of it) or another folder."""

    name: str
    is_folder: bool
    entry: T


def in_key_order(list_folder: Callable[[str], list[Node[T]]], prefix: str) -> Iterator[tuple[str, T]]:
    """The files whose key begins with ``prefix``, in the order of their keys' UTF-8 bytes.

    ``list_folder`` gives the entries of one folder by its key ("" is the root), in any order; a folder that
    is gone has none. S3 sorts whole keys, where a folder's name is followed by "/": "a.txt" < "a/b" < "a0".
    """
    top, _, start = prefix.rpartition("/")

    def children(folder: str, start: str = "") -> Iterator[tuple[str, Node[T]]]:
        nodes = [node for node in list_folder(folder) if node.name.startswith(start)]
        # Code points sort as their UTF-8 bytes do.
        nodes.sort(key=lambda node: node.name + "/" if node.is_folder else node.name)
        within = f"{folder}/" if folder else ""
        return ((within + node.name, node) for node in nodes)

    levels = [children(top, start)]
    while levels:
        key, node = next(levels[-1], (None, None))
        if key is None or node is None:
            levels.pop()
        elif node.is_folder:
            levels.append(children(key))
        else:
            yield key, node.entry


def pages(objects: Iterator[ObjectInfo], after: str = "") -> Iterator[list[ObjectInfo]]:
    """Cut what comes ``after`` a key in a listing into pages, none of them empty."""
    page: list[ObjectInfo] = []
    for info in objects:
        if info.key <= after:
            continue
        page.append(info)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
