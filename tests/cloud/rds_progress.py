"""Things that take time: each look at one brings it nearer to being available."""

from dataclasses import dataclass

from .moto_parts import rds_models
from .state import STATE

AVAILABLE, FAILED, STUCK, STOPPED = "available", "failed", "stuck", "stopped"


@dataclass
class Progress:
    outcome: str = AVAILABLE
    looks: int = 0
    # A copy ends in failure when this is no longer true.
    still_possible: object = None


def start(thing, status, outcome=AVAILABLE, still_possible=None):
    thing.status, thing.percent_progress = status, 0
    thing.progress = Progress(outcome, 0, still_possible)
    if _polls(thing) == 0 and outcome in (AVAILABLE, STOPPED):
        _end(thing, outcome)


def _polls(thing):
    return STATE.settings.of(thing.account_id).polls


def is_under_way(thing):
    return getattr(thing, "progress", None) is not None


def _end(thing, status):
    thing.status, thing.progress = status, None
    if status == AVAILABLE:
        thing.percent_progress = 100


def looked_at(things):
    for thing in things:
        if is_under_way(thing):
            _look(thing)
    return things


def _look(thing):
    progress = thing.progress
    progress.looks += 1
    polls = _polls(thing)
    if progress.still_possible and not progress.still_possible():
        _end(thing, FAILED)
    elif progress.outcome == STUCK:
        thing.percent_progress = 1
    elif progress.looks > polls:
        _end(thing, progress.outcome)
    else:
        thing.percent_progress = 100 * progress.looks // (polls + 1)


# ---------------------------------------------------------------- what moto shows too early

def _where(thing):
    return STATE.settings.of(thing.account_id).endpoint


_endpoint, _cluster_endpoint = rds_models.DBInstance.endpoint, rds_models.DBCluster.endpoint


def _instance_endpoint(instance):
    if instance.status == "creating":
        return None
    where = _where(instance)
    return {"Address": where["address"], "Port": where["port"]} if where else _endpoint.fget(instance)


rds_models.DBInstance.endpoint = property(_instance_endpoint)
rds_models.DBCluster.endpoint = property(
    lambda self: where["address"] if (where := _where(self)) else _cluster_endpoint.fget(self)
)


def _set_status(cluster, value):
    cluster._status = value


# moto's cluster is available as soon as its status was read once.
rds_models.DBCluster.status = property(lambda self: self._status, _set_status)
