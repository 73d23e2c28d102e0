"""The order store on MongoDB: the only package that imports pymongo.

`Store` opens the database, `indexes` lists what it keeps sorted and why, and one module serves each
collection. Every failure to reach the store leaves this package as StoreUnavailable.
"""

from __future__ import annotations

from lumira.storage.audit import AuditLog
from lumira.storage.database import Store
from lumira.storage.events import Events
from lumira.storage.fees import FeesRead
from lumira.storage.month_closes import MonthCloses
from lumira.storage.notes import OrderNotes
from lumira.storage.order_rows import OrderRows
from lumira.storage.orders import Orders
from lumira.storage.personal_data import PersonalData
from lumira.storage.reconciliations import Reconciliations
from lumira.storage.refused_signatures import RefusedSignatures
from lumira.storage.revenue import RevenueRows
from lumira.storage.rollups import Rollups
from lumira.storage.sessions import StaffSessions
from lumira.storage.staff import StaffAccounts
from lumira.storage.tokens import ApiTokens
from lumira.storage.views import SavedViews

__all__ = [
    "ApiTokens",
    "AuditLog",
    "Events",
    "FeesRead",
    "MonthCloses",
    "OrderNotes",
    "OrderRows",
    "Orders",
    "PersonalData",
    "Reconciliations",
    "RefusedSignatures",
    "RevenueRows",
    "Rollups",
    "SavedViews",
    "StaffAccounts",
    "StaffSessions",
    "Store",
]
