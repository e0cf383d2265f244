"""The effects in groups, so that one of eighty is found."""

from collections.abc import Iterable

_GROUPS = {
    "Hugs & couples": (
        "hug kiss heart_gesture heart_gesture_1 fight boyfriend girlfriend brown_bear_hug "
        "polar_bear_hug tiger_hug jesus_hug santa_hug siblings marry_me"
    ),
    "People": (
        "anime_figure angel_wing boss_coming construction_worker cry_cry dark_wing "
        "double_gun dollar_rain fairy_wing fly_fly gun_shot hula instant_film instant_kid "
        "iron_warrior jazz_jazz jumpdrop lie_flat lightning_power long_hair "
        "media_interview office_escape_plow snatched swing_swing thumbs_up wig_out "
        "yearbook celebration"
    ),
    "Pets": (
        "pet_bee pet_chef pet_dance pet_delivery pet_lion pet_moto_rider pet_warrior pet_wizard"
    ),
    "Morph & squish": (
        "bloombloom dizzydizzy expansion felt_felt fuzzyfuzzy jelly_jiggle jelly_press "
        "jelly_slice jelly_squish mushroom piggy_morph pixelpixel plushcut squish "
        "wool_curly"
    ),
    "Season": ("santa_gifts ski_ski splashsplash surfsurf watermelon_bomb day_to_night"),
}
"""Group, and the provider's names in it; what stands in none is under the last heading."""

_REST = "Action"


def grouped(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return the names group by group, each group in the order of the alphabet."""
    group_of = {word: group for group, words in _GROUPS.items() for word in words.split()}
    groups: dict[str, list[str]] = {group: [] for group in (*_GROUPS, _REST)}
    for name in sorted(names):
        groups[group_of.get(name, _REST)].append(name)
    return [(group, members) for group, members in groups.items() if members]
