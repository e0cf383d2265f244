"""The parameters of the models as their pages document them, shared where pages agree."""

from dataclasses import replace

from kling_ui.catalog.camera_params import Camera, CameraMove, CameraPreset
from kling_ui.catalog.media_input.kinds import PictureLimits
from kling_ui.catalog.params import (
    Choice,
    Elements,
    Flag,
    Mask,
    Media,
    MotionBrush,
    Number,
    PictureOrPair,
    Pictures,
    Section,
    Storyboard,
    Text,
)

_TURBO_PROMPT = 3072
_LINK_FIRST = "A link is safer than a file: the vendor's own plug-in sends links only."

# -- words

PROMPT = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen in the video.",
    placeholder="A cheerful white raccoon running through a sequoia forest, golden hour",
    required=True,
)
PROMPT_OPTIONAL = replace(
    PROMPT, required=False, placeholder="Optional: what should happen, how the camera moves"
)
PROMPT_OR_SHOTS = replace(
    PROMPT, required=False, placeholder="What should happen, how the camera moves"
)
PROMPT_TURBO = replace(PROMPT_OR_SHOTS, max_length=_TURBO_PROMPT)
PROMPT_REFERENCES = replace(
    PROMPT,
    help="Say what should happen. Point at the inputs, counted from 1: @Image1 for a reference "
    "picture, @Element1 for an element.",
    placeholder="@Element1 walks through the street of @Image1 at dusk",
)
PROMPT_VIDEO_REFERENCES = replace(
    PROMPT,
    help="Say what should happen. Point at the inputs, counted from 1: @Video1 for the video, "
    "@Image1 for a reference picture, @Element1 for an element.",
    placeholder="Put @Element1 into @Video1, in the light of @Image1",
)
PROMPT_ELEMENTS = replace(
    PROMPT_OR_SHOTS,
    help="Say what should happen in the video, here or in the storyboard. "
    "Point at an element by @Element1, counted from 1.",
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
TIMED_SHOTS = replace(
    SHOTS,
    help="Up to 6 shots instead of one prompt, each with its seconds.",
    is_timed=True,
    max_length=_TURBO_PROMPT,
)

# -- what comes in

IMAGE = Media(
    order=30,
    name="image_url",
    label="Start image",
    help="The video begins with it.",
    required=True,
)
IMAGE_BIG = replace(IMAGE, limits=PictureLimits(max_bytes=50_000_000))
CHARACTER = replace(IMAGE, label="Character", help="The person or figure that will move.")
PORTRAIT = replace(IMAGE, label="Portrait", help="The face that will speak.")
EFFECT_PICTURES = PictureOrPair(
    order=10,
    name="image_url",
    label="Picture",
    help="One picture, or two where the effect shows two people.",
    required=True,
)
TAIL = Media(order=31, name="tail_image_url", label="Last frame", help="The video ends with it.")
LAST_IMAGE = replace(TAIL, order=32, name="last_image_url")
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
UP_TO_FOUR = replace(UP_TO_SEVEN, help="Up to 4 pictures for looks, places or things.", maximum=4)
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
MOVES = replace(
    SOURCE,
    label="Movements",
    help="The character moves as in this video. 30 s at most, or 10 s where it faces as in the "
    f"image. {_LINK_FIRST}",
)
ELEMENTS = Elements(
    name="elements",
    label="Elements",
    help="Up to 4 people or things to keep recognizable.",
)
ELEMENTS_V3 = replace(
    ELEMENTS,
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
ASPECT_RATIO_OPEN = replace(ASPECT_RATIO, default=None, start="16:9")
DURATION = Choice(name="duration", label="Length", order=10, choices=(5, 10), unit=" s", default=5)
DURATION_OPEN = replace(DURATION, default=None, start=5)
DURATION_LONG = replace(DURATION, choices=tuple(range(3, 16)))

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
SOUND = Flag(name="generate_audio", label="Generate audio", order=60, default=True)
KEEP_SOUND = Flag(name="keep_audio", label="Keep original audio", order=60, default=False)
KEEP_SOUND_ON = replace(KEEP_SOUND, default=True)
SHOT_TYPE = Choice(
    name="shot_type",
    label="Shot planning",
    names={
        "customize": "I write the shots",
        **dict.fromkeys(("intelligent", "intelligence"), "Kling splits the prompt"),
    },
    section=Section.ADVANCED,
    order=30,
    choices=("customize", "intelligent"),
    default="customize",
)
SHOT_TYPE_OMNI = replace(SHOT_TYPE, choices=("customize", "intelligent", "intelligence"))
ORIENTATION = Choice(
    name="character_orientation",
    label="Faces as in",
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
