"""Killed at random moments, in a process of its own: paid once at most, and nothing is lost."""

import random

from crash import crash, told


def test_whatever_moment_it_is_killed_at_nothing_paid_for_is_lost_or_paid_twice(tmp_path):
    story, left = crash(tmp_path, light_rounds=14, app_rounds=1, chance=random.Random(7))
    report = told(story, left)
    assert left.lost == [], report
    assert left.doubled == [], report
    assert left.accepted <= left.rows <= story.clicks, report
    assert left.accepted == left.charged == left.completed >= 5, report
    assert left.rows == left.completed + left.unknown + left.rejected, report
