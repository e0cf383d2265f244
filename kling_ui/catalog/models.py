"""Every Kling model the provider documents, one row each, and the parameters they share.

Source: the AI/ML API's model pages. Adding a model is adding a row.
"""

from dataclasses import replace

from kling_ui.catalog.camera_params import Camera, CameraMove, CameraPreset
from kling_ui.catalog.media_input.kinds import PictureLimits
from kling_ui.catalog.model import Model, PrintedWait, Task
from kling_ui.catalog.params import (
    Choice,
    Elements,
    Flag,
    Mask,
    Media,
    MotionBrush,
    Number,
    Param,
    PictureOrPair,
    Pictures,
    Section,
    Storyboard,
    Text,
)
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

_BIG = PictureLimits(max_bytes=50_000_000)
_TURBO_PROMPT = 3072
_LINK_FIRST = (
    "Best a link. A file of up to 20 MB is taken by the words of Kling's pages, "
    "but the vendor's own plug-in sends links only."
)

_SPLIT = dict.fromkeys(("intelligent", "intelligence"), "Kling splits the prompt")

# -- words

PROMPT = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen in the video.",
    placeholder="A cheerful white raccoon running through a sequoia forest, golden hour",
    required=True,
)
PROMPT_OPTIONAL = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen in the video.",
    placeholder="Optional: what should happen, how the camera moves",
)
PROMPT_OR_SHOTS = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen in the video.",
    placeholder="What should happen, how the camera moves",
)
PROMPT_TURBO = replace(PROMPT_OR_SHOTS, max_length=_TURBO_PROMPT)
PROMPT_REFERENCES = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen. Point at the inputs, counted from 1: @Image1 for a reference "
    "picture, @Element1 for an element.",
    placeholder="@Element1 walks through the street of @Image1 at dusk",
    required=True,
)
PROMPT_VIDEO_REFERENCES = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen. Point at the inputs, counted from 1: @Video1 for the video, "
    "@Image1 for a reference picture, @Element1 for an element.",
    placeholder="Put @Element1 into @Video1, in the light of @Image1",
    required=True,
)
PROMPT_ELEMENTS = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen in the video, here or in the storyboard. "
    "Point at an element by @Element1, counted from 1.",
    placeholder="What should happen, how the camera moves",
)
NEGATIVE_PROMPT = Text(
    name="negative_prompt",
    label="Negative prompt",
    section=Section.ADVANCED,
    order=10,
    placeholder="Blur, distorted hands, watermark",
)
SHOTS = Storyboard(
    name="multi_prompt",
    label="Storyboard",
    help="Up to 6 shots instead of one prompt.",
    is_timed=False,
    maximum=6,
)
TIMED_SHOTS = Storyboard(
    name="multi_prompt",
    label="Storyboard",
    help="Up to 6 shots instead of one prompt, each with its seconds.",
    is_timed=True,
    maximum=6,
    max_length=_TURBO_PROMPT,
)

# -- what comes in

IMAGE = Media(
    order=30,
    name="image_url",
    label="Start image",
    help="The video begins with this picture.",
    required=True,
)
IMAGE_BIG = Media(
    order=30,
    name="image_url",
    label="Start image",
    help="The video begins with this picture.",
    required=True,
    limits=_BIG,
)
CHARACTER = Media(
    order=30,
    name="image_url",
    label="Character",
    help="The person or figure that will move.",
    required=True,
)
PORTRAIT = Media(
    order=30, name="image_url", label="Portrait", help="The face that will speak.", required=True
)
EFFECT_PICTURES = PictureOrPair(
    order=10,
    name="image_url",
    label="Picture",
    help="One picture, or two where the effect shows two people.",
    required=True,
)
TAIL = Media(
    order=31, name="tail_image_url", label="Last frame", help="The video ends with this picture."
)
LAST_IMAGE = Media(
    order=32, name="last_image_url", label="Last frame", help="The video ends with this picture."
)
TWO_TO_FOUR = Pictures(
    order=40,
    name="image_list",
    label="Pictures",
    help="2 to 4 pictures of what should appear together.",
    required=True,
    minimum=2,
    maximum=4,
)
UP_TO_SEVEN = Pictures(
    order=40,
    name="image_list",
    label="Reference pictures",
    help="Up to 7 pictures for looks, places or things.",
    minimum=1,
    maximum=7,
)
UP_TO_FOUR = Pictures(
    order=40,
    name="image_list",
    label="Reference pictures",
    help="Up to 4 pictures for looks, places or things.",
    minimum=1,
    maximum=4,
)
VOICE = Media(
    order=45,
    name="audio_url",
    label="Voice",
    help="What the portrait says.",
    required=True,
    media="audio",
)
SOURCE = Media(
    order=20,
    name="video_url",
    label="Video",
    help=f"The video to work on. {_LINK_FIRST}",
    required=True,
    media="video",
)
MOVES = Media(
    order=20,
    name="video_url",
    label="Movements",
    help="The video whose movements the character takes over, at most 30 s long, or 10 s where "
    f"the character faces as in the image. {_LINK_FIRST}",
    required=True,
    media="video",
)
ELEMENTS = Elements(
    name="elements",
    label="Elements",
    help="Up to 4 people or things to keep recognizable.",
)
ELEMENTS_V3 = Elements(
    name="elements",
    label="Elements",
    help="Up to 4 people or things to keep recognizable; one of them may have a video, "
    "best as a link.",
    takes_video=True,
)

# -- shape and length

ASPECT_RATIO = Choice(
    name="aspect_ratio",
    label="Aspect ratio",
    order=20,
    choices=("16:9", "9:16", "1:1"),
    default="16:9",
)
ASPECT_RATIO_OPEN = Choice(
    name="aspect_ratio",
    label="Aspect ratio",
    order=20,
    choices=("16:9", "9:16", "1:1"),
    start="16:9",
)
DURATION = Choice(name="duration", label="Length", order=10, choices=(5, 10), unit=" s", default=5)
DURATION_OPEN = Choice(
    name="duration", label="Length", order=10, choices=(5, 10), unit=" s", start=5
)
DURATION_LONG = Choice(
    name="duration", label="Length", order=10, choices=tuple(range(3, 16)), unit=" s", default=5
)

# -- how

CFG_SCALE = Number(
    name="cfg_scale",
    label="Prompt strength",
    help="Low: freer, high: more literal.",
    section=Section.ADVANCED,
    order=20,
    minimum=0,
    maximum=1,
    assumed=0.5,
)
SOUND = Flag(
    name="generate_audio",
    label="Generate audio",
    order=60,
    default=True,
)
KEEP_SOUND = Flag(
    name="keep_audio",
    label="Keep original audio",
    order=60,
    default=False,
)
KEEP_SOUND_ON = Flag(
    name="keep_audio",
    label="Keep original audio",
    order=60,
    default=True,
)
SHOT_TYPE = Choice(
    name="shot_type",
    label="Shot planning",
    names={"customize": "I write the shots", **_SPLIT},
    section=Section.ADVANCED,
    order=30,
    choices=("customize", "intelligent"),
    default="customize",
)
SHOT_TYPE_OMNI = Choice(
    name="shot_type",
    label="Shot planning",
    names={"customize": "I write the shots", **_SPLIT},
    section=Section.ADVANCED,
    order=30,
    choices=("customize", "intelligent", "intelligence"),
    default="customize",
)
ORIENTATION = Choice(
    name="character_orientation",
    label="Follow the orientation of",
    choices=("image", "video"),
    default="video",
)
MODE = Choice(
    name="mode",
    label="Quality",
    choices=("std", "pro"),
    names={"std": "Standard", "pro": "Pro"},
    default="std",
)
PROVIDER = Choice(
    name="provider",
    label="Provider",
    help="Who runs the model behind the AI/ML API. Leave it open unless you have a reason.",
    choices=("auto", "kling", "fal"),
    section=Section.ADVANCED,
    order=90,
)
CAMERA = Camera(
    name="camera_control",
    label="Camera",
    help="A ready-made movement, or exactly one axis of your own.",
)
CAMERA_PRESET = CameraPreset(
    name="camera_control",
    label="Camera",
    help="A ready-made camera movement.",
)
CAMERA_MOVE = CameraMove(
    name="advanced_camera_control",
    label="Custom move",
    help="One movement, from −10 to 10.",
)
STATIC_MASK = Mask(
    name="static_mask",
    label="What stays still",
    help="A mask of the areas that must not move.",
)
BRUSH = MotionBrush(
    name="dynamic_masks",
    label="Motion brush",
    help="Paint what moves, and click the path it takes.",
)
EFFECT = Choice(
    name="effect_scene",
    label="Effect",
    section=Section.MEDIA,
    order=0,
    required=True,
    choices=tuple(
        "angel_wing anime_figure bloombloom boss_coming boyfriend brown_bear_hug "  # noqa: SIM905  eighty names read best as words
        "building_collapse car_explosion celebration construction_worker cry_cry dark_wing "
        "day_to_night dizzydizzy dollar_rain double_gun expansion fairy_wing felt_felt fight "
        "fly_fly fuzzyfuzzy girlfriend gun_shot heart_gesture heart_gesture_1 hug hula "
        "instant_film instant_kid iron_warrior jazz_jazz jelly_jiggle jelly_press jelly_slice "
        "jelly_squish jesus_hug jumpdrop kiss let's_ride lie_flat lightning_power long_hair "
        "magic_broom magic_fireball marry_me media_interview mushroom office_escape_plow "
        "pet_bee pet_chef pet_dance pet_delivery pet_lion pet_moto_rider pet_warrior pet_wizard "
        "piggy_morph pixelpixel plushcut polar_bear_hug rocketrocket santa_gifts santa_hug "
        "shark_alert siblings skateskate ski_ski smoke_smoke snatched splashsplash squish "
        "surfsurf swing_swing thumbs_up tiger_hug watermelon_bomb wig_out wool_curly "
        "yearbook".split()
    ),
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

# -- the rows: id, version, tier, task, parameters, usual seconds (`judged` where none is printed)

# fmt: off
_ROWS = (
    Model("kling-video/v1.6/standard/text-to-video", "1.6", "Standard", Task.TEXT, _TEXT_SHORT,
          186, in_brief=True),
    Model("kling-video/v1.6/pro/text-to-video", "1.6", "Pro", Task.TEXT, _TEXT_V1, 186,
          in_brief=True),
    Model("kling-video/v1/standard/text-to-video", "1", "Standard", Task.TEXT, _TEXT_V1, 322,
          in_brief=True),
    Model("kling-video/v1/pro/text-to-video", "1", "Pro", Task.TEXT, _TEXT_V1, 78,
          in_brief=True),
    Model("kling-video/v1.5/pro/text-to-video", "1.5", "Pro", Task.TEXT, _TEXT_V1, 186,
          judged=True),
    Model("klingai/v2-master-text-to-video", "2", "Master", Task.TEXT, (*_TEXT_V1, PROVIDER),
          330, in_brief=True, printed_waits=_MASTER_WAITS),
    Model("klingai/v2.1-master-text-to-video", "2.1", "Master", Task.TEXT,
          (*_TEXT_V1, PROVIDER), 330, printed_waits=_MASTER_WAITS),
    Model("klingai/v2.5-turbo/pro/text-to-video", "2.5 Turbo", "Pro", Task.TEXT, _TEXT_SHORT,
          120, judged=True),
    Model("klingai/video-v2-6-pro-text-to-video", "2.6", "Pro", Task.TEXT,
          (PROMPT, NEGATIVE_PROMPT, ASPECT_RATIO_OPEN, DURATION, SOUND, CFG_SCALE, PROVIDER),
          152),
    Model("klingai/video-v3-standard-text-to-video", "3", "Standard", Task.TEXT,
          _v3_text(SHOT_TYPE), 431, rules=_WORDS_RULES),
    Model("klingai/video-v3-pro-text-to-video", "3", "Pro", Task.TEXT, _v3_text(SHOT_TYPE), 381,
          rules=_WORDS_RULES),
    Model("klingai/video-v3-omni-720p-text-to-video", "3 Omni", "720p", Task.TEXT,
          _v3_text(SHOT_TYPE_OMNI), 400, judged=True, rules=_WORDS_RULES),
    Model("klingai/video-v3-omni-1080p-text-to-video", "3 Omni", "1080p", Task.TEXT,
          _v3_text(SHOT_TYPE_OMNI), 400, judged=True, rules=_WORDS_RULES),
    Model("klingai/video-v3-standard-turbo-text-to-video", "3 Turbo", "Standard", Task.TEXT,
          _TURBO_TEXT, 180, judged=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/standard/text-to-video",)),
    Model("klingai/video-v3-turbo-pro-text-to-video", "3 Turbo", "Pro", Task.TEXT, _TURBO_TEXT,
          180, judged=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/pro/text-to-video",)),

    Model("kling-video/v1.6/standard/image-to-video", "1.6", "Standard", Task.IMAGE,
          _IMAGE_SHORT, 122, in_brief=True),
    Model("kling-video/v1.6/pro/image-to-video", "1.6", "Pro", Task.IMAGE, _IMAGE_V1, 186,
          in_brief=True, rules=_IMAGE_RULES, notes=(documented_by_kling(tail=(5, 10)),)),
    Model("kling-video/v1/standard/image-to-video", "1", "Standard", Task.IMAGE, _IMAGE_V1, 249,
          in_brief=True, rules=_IMAGE_RULES,
          notes=(documented_by_kling(tail=(5,), brush=(5,), camera=(5,)),)),
    Model("kling-video/v1/pro/image-to-video", "1", "Pro", Task.IMAGE, _IMAGE_V1, 204,
          in_brief=True, rules=_IMAGE_RULES, notes=(documented_by_kling(tail=(5,), brush=(5,)),)),
    Model("kling-video/v1.5/standard/image-to-video", "1.5", "Standard", Task.IMAGE, _IMAGE_V1,
          200, judged=True, rules=_IMAGE_RULES, notes=(documented_by_kling(),)),
    Model("kling-video/v1.5/pro/image-to-video", "1.5", "Pro", Task.IMAGE, _IMAGE_V1, 200,
          judged=True, rules=_IMAGE_RULES,
          notes=(documented_by_kling(
              tail=(5, 10), brush=(5,), camera=(5,), simple_camera_only=True),)),
    Model("klingai/v2-master-image-to-video", "2", "Master", Task.IMAGE, (*_IMAGE_V2, PROVIDER),
          330, in_brief=True, rules=_IMAGE_RULES, printed_waits=_MASTER_WAITS),
    Model("klingai/v2.1-master-image-to-video", "2.1", "Master", Task.IMAGE,
          (*_IMAGE_V2, PROVIDER), 330, rules=_IMAGE_RULES, printed_waits=_MASTER_WAITS),
    Model("kling-video/v2.1/standard/image-to-video", "2.1", "Standard", Task.IMAGE, _IMAGE_V2,
          180, judged=True, rules=_IMAGE_RULES),
    Model("kling-video/v2.1/pro/image-to-video", "2.1", "Pro", Task.IMAGE, _IMAGE_V2, 210,
          rules=_IMAGE_RULES, printed_waits=(PrintedWait(5, 180, 240), PrintedWait(10, 360, 480))),
    Model("klingai/v2.5-turbo/pro/image-to-video", "2.5 Turbo", "Pro", Task.IMAGE, _IMAGE_SHORT,
          120, judged=True),
    Model("klingai/video-v2-6-pro-image-to-video", "2.6", "Pro", Task.IMAGE,
          (IMAGE, PROMPT, NEGATIVE_PROMPT, DURATION, SOUND, PROVIDER), 110),
    Model("klingai/video-o1-image-to-video", "O1", "Standard", Task.IMAGE,
          (IMAGE, PROMPT, LAST_IMAGE, DURATION, PROVIDER), 79),
    Model("klingai/video-v3-standard-image-to-video", "3", "Standard", Task.IMAGE,
          _v3_image(SHOT_TYPE), 235, rules=_V3_IMAGE_RULES, notes=_V3_IMAGE_NOTES),
    Model("klingai/video-v3-pro-image-to-video", "3", "Pro", Task.IMAGE, _v3_image(SHOT_TYPE),
          401, rules=_V3_IMAGE_RULES, notes=_V3_IMAGE_NOTES),
    Model("klingai/video-v3-omni-720p-image-to-video", "3 Omni", "720p", Task.IMAGE,
          _v3_image(SHOT_TYPE_OMNI), 300, judged=True, rules=_OMNI_IMAGE_RULES,
          notes=_OMNI_IMAGE_NOTES),
    Model("klingai/video-v3-omni-1080p-image-to-video", "3 Omni", "1080p", Task.IMAGE,
          _v3_image(SHOT_TYPE_OMNI), 300, judged=True, rules=_OMNI_IMAGE_RULES,
          notes=_OMNI_IMAGE_NOTES),
    Model("klingai/video-v3-standard-turbo-image-to-video", "3 Turbo", "Standard", Task.IMAGE,
          _TURBO_IMAGE, 180, judged=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/standard/image-to-video",)),
    Model("klingai/video-v3-turbo-pro-image-to-video", "3 Turbo", "Pro", Task.IMAGE,
          _TURBO_IMAGE, 180, judged=True, rules=_WORDS_RULES,
          aliases=("kling-video/v3/turbo/pro/image-to-video",)),

    Model("kling-video/v1.6/standard/multi-image-to-video", "1.6", "Standard", Task.IMAGES,
          (TWO_TO_FOUR, PROMPT_OPTIONAL, NEGATIVE_PROMPT, ASPECT_RATIO, DURATION), 127),

    Model("klingai/kling-video-v1.6-standard-effects", "1.6", "Standard", Task.EFFECTS,
          _EFFECTS, 120, in_brief=True, rules=_EFFECT_RULES),
    Model("klingai/kling-video-v1.6-pro-effects", "1.6", "Pro", Task.EFFECTS, _EFFECTS, 120,
          in_brief=True, rules=_EFFECT_RULES),

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
          judged=True, rules=_MOTION_RULES),

    Model("klingai/avatar-standard", "Avatar", "Standard", Task.AVATAR, _AVATAR, 240,
          judged=True),
    Model("klingai/avatar-pro", "Avatar", "Pro", Task.AVATAR, _AVATAR, 530),
)
# fmt: on

MODELS: dict[str, Model] = {model.id: model for model in _ROWS}
