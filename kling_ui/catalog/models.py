"""Every Kling model that the provider documents, one row each.

Source: the AI/ML API's model pages. Adding a model is adding a row.
"""

from kling_ui.catalog.model import Model, PrintedWait, Task
from kling_ui.catalog.model_params import (
    ASPECT_RATIO,
    ASPECT_RATIO_OPEN,
    BRUSH,
    CAMERA,
    CAMERA_MOVE,
    CAMERA_PRESET,
    CFG_SCALE,
    CHARACTER,
    DURATION,
    DURATION_LONG,
    DURATION_OPEN,
    EFFECT,
    EFFECT_PICTURES,
    ELEMENTS,
    ELEMENTS_V3,
    IMAGE,
    IMAGE_BIG,
    KEEP_SOUND,
    KEEP_SOUND_ON,
    LAST_IMAGE,
    MODE,
    MOVES,
    NEGATIVE_PROMPT,
    ORIENTATION,
    PORTRAIT,
    PROMPT,
    PROMPT_ELEMENTS,
    PROMPT_OPTIONAL,
    PROMPT_OR_SHOTS,
    PROMPT_REFERENCES,
    PROMPT_TURBO,
    PROMPT_VIDEO_REFERENCES,
    PROVIDER,
    SHOT_TYPE,
    SHOT_TYPE_OMNI,
    SHOTS,
    SOUND,
    SOURCE,
    STATIC_MASK,
    TAIL,
    TIMED_SHOTS,
    TWO_TO_FOUR,
    UP_TO_FOUR,
    UP_TO_SEVEN,
    VOICE,
)
from kling_ui.catalog.params import Param
from kling_ui.catalog.rules import (
    ExcludeEachOther,
    documented_by_kling,
    motion_fits_orientation,
    need_one_of,
    one_element_with_video,
    pictures_beside_video_are_in_doubt,
    pictures_fit_effect,
    tail_needs_silence,
    tail_with_sound_is_in_doubt,
)

# -- which belong together

_TEXT_V1 = (
    PROMPT, NEGATIVE_PROMPT, ASPECT_RATIO, DURATION_OPEN, CFG_SCALE, CAMERA_PRESET, CAMERA_MOVE
)  # fmt: skip
_MASKS = (STATIC_MASK, BRUSH)
_IMAGE_V1 = (
    IMAGE, PROMPT_OPTIONAL, NEGATIVE_PROMPT, TAIL, DURATION, CFG_SCALE, CAMERA, *_MASKS
)  # fmt: skip
_IMAGE_V2 = (IMAGE, PROMPT_OPTIONAL, NEGATIVE_PROMPT, DURATION, CFG_SCALE, CAMERA, *_MASKS)
_TEXT_SHORT = (PROMPT, NEGATIVE_PROMPT, ASPECT_RATIO_OPEN, DURATION, CFG_SCALE, PROVIDER)
_IMAGE_SHORT = (IMAGE, PROMPT, NEGATIVE_PROMPT, DURATION, CFG_SCALE, PROVIDER)
_EFFECTS = (EFFECT, EFFECT_PICTURES, DURATION)


def _v3_text(shot_type: Param) -> tuple[Param, ...]:
    return (
        PROMPT_OR_SHOTS, NEGATIVE_PROMPT, ASPECT_RATIO, DURATION_LONG, SOUND, CFG_SCALE,
        SHOTS, shot_type, PROVIDER,
    )  # fmt: skip


def _v3_image(shot_type: Param) -> tuple[Param, ...]:
    return (
        IMAGE, PROMPT_ELEMENTS, NEGATIVE_PROMPT, TAIL, DURATION_LONG, SOUND, CFG_SCALE,
        SHOTS, shot_type, ELEMENTS_V3, PROVIDER,
    )  # fmt: skip


_TURBO_TEXT = (PROMPT_TURBO, ASPECT_RATIO, DURATION_LONG, TIMED_SHOTS)
_TURBO_IMAGE = (IMAGE_BIG, PROMPT_TURBO, DURATION_LONG, TIMED_SHOTS)
_MOTION = (CHARACTER, MOVES, PROMPT_OPTIONAL, ORIENTATION, KEEP_SOUND_ON, MODE)
_AVATAR = (PORTRAIT, VOICE, PROMPT_OPTIONAL, PROVIDER)

_ONE_OF_THREE = ExcludeEachOther(
    (("tail_image_url",), ("static_mask", "dynamic_masks"), ("camera_control",))
)
_PROMPT_OR_SHOTS = ExcludeEachOther((("prompt",), ("multi_prompt",)))
_SAY_SOMETHING = need_one_of("prompt", "multi_prompt")
_IMAGE_RULES = (_ONE_OF_THREE,)
_WORDS_RULES = (_PROMPT_OR_SHOTS, _SAY_SOMETHING)
_V3_IMAGE_RULES = (*_WORDS_RULES, one_element_with_video)
_OMNI_IMAGE_RULES = (*_V3_IMAGE_RULES, tail_needs_silence)
_OMNI_IMAGE_NOTES = (pictures_beside_video_are_in_doubt,)
_V3_IMAGE_NOTES = (tail_with_sound_is_in_doubt, *_OMNI_IMAGE_NOTES)
_MOTION_RULES = (motion_fits_orientation,)
_EFFECT_RULES = (pictures_fit_effect,)

_MASTER_WAITS = (PrintedWait(5, 300, 360), PrintedWait(10, 660, 840))

# -- the rows: id, version, tier, task, parameters, usual seconds (assumed where none is printed)

# fmt: off
_ROWS = (
    Model("kling-video/v1.6/standard/text-to-video", "1.6", "Standard", Task.TEXT, _TEXT_SHORT,
          186, route="kling"),
    Model("kling-video/v1.6/pro/text-to-video", "1.6", "Pro", Task.TEXT, _TEXT_V1, 186,
          route="kling"),
    Model("kling-video/v1/standard/text-to-video", "1", "Standard", Task.TEXT, _TEXT_V1, 322,
          route="kling"),
    Model("kling-video/v1/pro/text-to-video", "1", "Pro", Task.TEXT, _TEXT_V1, 78,
          route="kling"),
    Model("kling-video/v1.5/pro/text-to-video", "1.5", "Pro", Task.TEXT, _TEXT_V1, 186,
          is_wait_assumed=True),
    Model("klingai/v2-master-text-to-video", "2", "Master", Task.TEXT, (*_TEXT_V1, PROVIDER),
          330, route="kling", printed_waits=_MASTER_WAITS),
    Model("klingai/v2.1-master-text-to-video", "2.1", "Master", Task.TEXT,
          (*_TEXT_V1, PROVIDER), 330, printed_waits=_MASTER_WAITS),
    Model("klingai/v2.5-turbo/pro/text-to-video", "2.5 Turbo", "Pro", Task.TEXT, _TEXT_SHORT,
          120, is_wait_assumed=True),
    Model("klingai/video-v2-6-pro-text-to-video", "2.6", "Pro", Task.TEXT,
          (PROMPT, NEGATIVE_PROMPT, ASPECT_RATIO_OPEN, DURATION, SOUND, CFG_SCALE, PROVIDER),
          152),
    Model("klingai/video-v3-standard-text-to-video", "3", "Standard", Task.TEXT,
          _v3_text(SHOT_TYPE), 431, rules=_WORDS_RULES),
    Model("klingai/video-v3-pro-text-to-video", "3", "Pro", Task.TEXT, _v3_text(SHOT_TYPE), 381,
          rules=_WORDS_RULES),
    Model("klingai/video-v3-omni-720p-text-to-video", "3 Omni", "720p", Task.TEXT,
          _v3_text(SHOT_TYPE_OMNI), 400, is_wait_assumed=True, rules=_WORDS_RULES),
    Model("klingai/video-v3-omni-1080p-text-to-video", "3 Omni", "1080p", Task.TEXT,
          _v3_text(SHOT_TYPE_OMNI), 400, is_wait_assumed=True, rules=_WORDS_RULES),
    Model("klingai/video-v3-standard-turbo-text-to-video", "3 Turbo", "Standard", Task.TEXT,
          _TURBO_TEXT, 180, is_wait_assumed=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/standard/text-to-video",)),
    Model("klingai/video-v3-turbo-pro-text-to-video", "3 Turbo", "Pro", Task.TEXT, _TURBO_TEXT,
          180, is_wait_assumed=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/pro/text-to-video",)),

    Model("kling-video/v1.6/standard/image-to-video", "1.6", "Standard", Task.IMAGE,
          _IMAGE_SHORT, 122, route="kling"),
    Model("kling-video/v1.6/pro/image-to-video", "1.6", "Pro", Task.IMAGE, _IMAGE_V1, 186,
          route="kling", rules=_IMAGE_RULES, notes=(documented_by_kling(tail=(5, 10)),)),
    Model("kling-video/v1/standard/image-to-video", "1", "Standard", Task.IMAGE, _IMAGE_V1, 249,
          route="kling", rules=_IMAGE_RULES,
          notes=(documented_by_kling(tail=(5,), brush=(5,), camera=(5,)),)),
    Model("kling-video/v1/pro/image-to-video", "1", "Pro", Task.IMAGE, _IMAGE_V1, 204,
          route="kling", rules=_IMAGE_RULES, notes=(documented_by_kling(tail=(5,), brush=(5,)),)),
    Model("kling-video/v1.5/standard/image-to-video", "1.5", "Standard", Task.IMAGE, _IMAGE_V1,
          200, is_wait_assumed=True, rules=_IMAGE_RULES, notes=(documented_by_kling(),)),
    Model("kling-video/v1.5/pro/image-to-video", "1.5", "Pro", Task.IMAGE, _IMAGE_V1, 200,
          is_wait_assumed=True, rules=_IMAGE_RULES,
          notes=(documented_by_kling(
              tail=(5, 10), brush=(5,), camera=(5,), simple_camera_only=True),)),
    Model("klingai/v2-master-image-to-video", "2", "Master", Task.IMAGE, (*_IMAGE_V2, PROVIDER),
          330, route="kling", rules=_IMAGE_RULES, printed_waits=_MASTER_WAITS),
    Model("klingai/v2.1-master-image-to-video", "2.1", "Master", Task.IMAGE,
          (*_IMAGE_V2, PROVIDER), 330, rules=_IMAGE_RULES, printed_waits=_MASTER_WAITS),
    Model("kling-video/v2.1/standard/image-to-video", "2.1", "Standard", Task.IMAGE, _IMAGE_V2,
          180, is_wait_assumed=True, rules=_IMAGE_RULES),
    Model("kling-video/v2.1/pro/image-to-video", "2.1", "Pro", Task.IMAGE, _IMAGE_V2, 210,
          rules=_IMAGE_RULES, printed_waits=(PrintedWait(5, 180, 240), PrintedWait(10, 360, 480))),
    Model("klingai/v2.5-turbo/pro/image-to-video", "2.5 Turbo", "Pro", Task.IMAGE, _IMAGE_SHORT,
          120, is_wait_assumed=True),
    Model("klingai/video-v2-6-pro-image-to-video", "2.6", "Pro", Task.IMAGE,
          (IMAGE, PROMPT, NEGATIVE_PROMPT, DURATION, SOUND, PROVIDER), 110),
    Model("klingai/video-o1-image-to-video", "O1", "Standard", Task.IMAGE,
          (IMAGE, PROMPT, LAST_IMAGE, DURATION, PROVIDER), 79),
    Model("klingai/video-v3-standard-image-to-video", "3", "Standard", Task.IMAGE,
          _v3_image(SHOT_TYPE), 235, rules=_V3_IMAGE_RULES, notes=_V3_IMAGE_NOTES),
    Model("klingai/video-v3-pro-image-to-video", "3", "Pro", Task.IMAGE, _v3_image(SHOT_TYPE),
          401, rules=_V3_IMAGE_RULES, notes=_V3_IMAGE_NOTES),
    Model("klingai/video-v3-omni-720p-image-to-video", "3 Omni", "720p", Task.IMAGE,
          _v3_image(SHOT_TYPE_OMNI), 300, is_wait_assumed=True, rules=_OMNI_IMAGE_RULES,
          notes=_OMNI_IMAGE_NOTES),
    Model("klingai/video-v3-omni-1080p-image-to-video", "3 Omni", "1080p", Task.IMAGE,
          _v3_image(SHOT_TYPE_OMNI), 300, is_wait_assumed=True, rules=_OMNI_IMAGE_RULES,
          notes=_OMNI_IMAGE_NOTES),
    Model("klingai/video-v3-standard-turbo-image-to-video", "3 Turbo", "Standard", Task.IMAGE,
          _TURBO_IMAGE, 180, is_wait_assumed=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/standard/image-to-video",)),
    Model("klingai/video-v3-turbo-pro-image-to-video", "3 Turbo", "Pro", Task.IMAGE,
          _TURBO_IMAGE, 180, is_wait_assumed=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/pro/image-to-video",)),

    Model("kling-video/v1.6/standard/multi-image-to-video", "1.6", "Standard", Task.IMAGES,
          (TWO_TO_FOUR, PROMPT_OPTIONAL, NEGATIVE_PROMPT, ASPECT_RATIO, DURATION), 127),

    Model("klingai/kling-video-v1.6-standard-effects", "1.6", "Standard", Task.EFFECTS,
          _EFFECTS, 120, route="kling", rules=_EFFECT_RULES),
    Model("klingai/kling-video-v1.6-pro-effects", "1.6", "Pro", Task.EFFECTS, _EFFECTS, 120,
          route="kling", rules=_EFFECT_RULES),

    Model("klingai/video-o1-reference-to-video", "O1", "Standard", Task.REFERENCE,
          (PROMPT_REFERENCES, UP_TO_SEVEN, ASPECT_RATIO, DURATION, ELEMENTS, PROVIDER), 126),
    Model("klingai/video-o1-video-to-video-reference", "O1", "Video reference", Task.REFERENCE,
          (SOURCE, PROMPT_VIDEO_REFERENCES, UP_TO_FOUR, ASPECT_RATIO, DURATION, KEEP_SOUND,
           ELEMENTS, PROVIDER), 203),

    Model("klingai/video-o1-video-to-video-edit", "O1", "Edit", Task.EDIT,
          (SOURCE, PROMPT_VIDEO_REFERENCES, UP_TO_SEVEN, KEEP_SOUND, ELEMENTS, PROVIDER), 235),

    Model("klingai/video-v2-6-motion-control", "2.6", "Motion control", Task.MOTION, _MOTION,
          356, rules=_MOTION_RULES, aliases=("klingai/video-v2-6-pro-motion-control",)),
    Model("klingai/video-v3-motion-control", "3", "Motion control", Task.MOTION, _MOTION, 356,
          is_wait_assumed=True, rules=_MOTION_RULES),

    Model("klingai/avatar-standard", "Avatar", "Standard", Task.AVATAR, _AVATAR, 240,
          is_wait_assumed=True),
    Model("klingai/avatar-pro", "Avatar", "Pro", Task.AVATAR, _AVATAR, 530),
)
# fmt: on

MODELS: dict[str, Model] = {model.id: model for model in _ROWS}
