"""Saved views: named filters of the orders with their layout, for everyone or for whoever saved them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.errors import InvalidViewName
from lumira.order_filter import filter_query, fold, parse_filter

if TYPE_CHECKING:
    from lumira.storage import AuditLog, SavedViews

NAME_LENGTH: Final = 60
# What an address says of how the list is laid out, beside what it selects.
LAYOUT: Final = ("columns", "size")
_LAYOUT_LENGTH: Final = 300


@dataclass(frozen=True)
class View:
    """A named filter: `query` as `filter_query` writes it; `owner` is the name of its person, "" for all.

    `layout` holds the members of LAYOUT as the page's address has them, without what is as usual. None, in
    views of earlier versions, leaves the list as it is laid out.
    """

    name: str
    query: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    layout: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """One view of a name for one owner, without regard to case and accents."""
        return f"{self.owner}:{fold(self.name)}"


class Views:
    """Saves and lists views. Every method raises StoreUnavailable, and Forbidden where the role says no."""

    def __init__(self, saved: SavedViews, audit: AuditLog) -> None:
        self._saved = saved
        self._audit = audit

    def all(self, *, actor: Actor) -> list[View]:
        """The views for everyone, then the actor's own, each by name."""
        require(actor, Permission.BROWSE)
        return sorted(self._saved.of(["", actor.name]), key=lambda view: (view.owner != "", fold(view.name)))

    def save(
        self,
        name: str,
        query: Mapping[str, str],
        layout: Mapping[str, str] | None = None,
        *,
        shared: bool,
        actor: Actor,
    ) -> View:
        """Saves the filter and the layout under this name, in place of one of the same name.

        Raises InvalidViewName for a name that is empty or longer than 60 characters, and InvalidFilter.
        """
        require(actor, Permission.SHARE_VIEW if shared else Permission.BROWSE)
        name = " ".join(name.split())
        if not name or len(name) > NAME_LENGTH:
            raise InvalidViewName(f"Give the view a name of 1 to {NAME_LENGTH} characters.")
        kept = (
            {part: layout[part][:_LAYOUT_LENGTH] for part in LAYOUT if part in layout} if layout else layout
        )
        view = View(name, filter_query(parse_filter(query)), "" if shared else actor.name, kept)
        self._saved.save(view)
        self._record(actor, Action.SAVE_VIEW, view)
        return view

    def delete(self, view: View, *, actor: Actor) -> None:
        """Deletes a view; one of somebody else's is left alone."""
        require(actor, Permission.BROWSE if view.owner == actor.name else Permission.SHARE_VIEW)
        if view.owner in {"", actor.name} and self._saved.delete(view):
            self._record(actor, Action.DELETE_VIEW, view)

    def _record(self, actor: Actor, action: Action, view: View) -> None:
        self._audit.record(
            AuditEntry.by(
                actor,
                action,
                datetime.now(UTC),
                after={"query": dict(view.query), "owner": view.owner, "layout": view.layout},
                note=view.name,
            )
        )
