"""Following what is being recorded, from any process: the database is all that reader and recorder share."""

from tracekit.live.feed import Follower, LiveEnd, LiveFeed, LiveList
from tracekit.live.followed import SharedPage
from tracekit.live.following import follow_list, follow_trace
from tracekit.live.listing import ListChange, ListedTrace, Look, Turn
from tracekit.live.pages import LivePage
from tracekit.live.states import TraceState

__all__ = [
    "Follower",
    "ListChange",
    "ListedTrace",
    "LiveEnd",
    "LiveFeed",
    "LiveList",
    "LivePage",
    "Look",
    "SharedPage",
    "TraceState",
    "Turn",
    "follow_list",
    "follow_trace",
]
