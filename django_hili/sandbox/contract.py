"""Own the vendor's words: operations, limits, error numbers, stages; must not know HTTP or rows.

Every Chinese sentence that the vendor's API documents quote is quoted here letter for letter. The
sentences of the stages are ours, except for the finished one: the documents give no other.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

OPERATIONS: Final = ("repair", "colour", "sr", "bg", "scratch", "defogging")
"""What ``seq`` may name, in the vendor's spelling."""

IMAGE_TYPES: Final = ("people", "cortoon", "landscape", "portrait", "text")
"""What ``type`` may be; ``cortoon`` is how the vendor writes it."""

RATES: Final = (0, 2, 4, 8)
"""The factors of super-resolution; 0 lets the service pick."""

TRANSPARENT: Final = "-1"
GRADIENT_GREY: Final = "1"
BACKGROUNDS: Final = (TRANSPARENT, GRADIENT_GREY, "235,51,35", "85,142,213", "255,255,255")
"""What ``rgb`` may be in version 2: cut out, gradient grey, red, blue, white."""

PLATFORMS: Final = ("pc", "h5", "mp", "ios", "baidu", "zijie", "douyin", "alipay")

V1_REPAIR_TYPES: Final = ("sr", "sr,repair", "sr,repair,colour", "bg")
"""The only four values of version 1's ``repair_type``."""

FORMATS: Final = MappingProxyType({"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp"})
"""The picture formats that are taken, by Pillow's name, with the ending of their file names."""

TOKEN_WINDOW_SECONDS: Final = 120
LIFETIME_SECONDS: Final = 3600
PACKAGE_DAYS: Final = 365
LARGEST_SIDE: Final = 6000

SUCCESS: Final = 200
FAILURE: Final = 9000

TOKEN_INVALID: Final = 9999
NO_CREDITS: Final = 9101
BAD_PARAMETERS: Final = 9001
NOT_FOUND: Final = 9002
UNSUPPORTED_FILE: Final = 9005
UPLOAD_FAILED: Final = 9006
DAMAGED_PICTURE: Final = 9009
OTHER_ERROR: Final = 500

MESSAGES: Final = MappingProxyType(
    {
        TOKEN_INVALID: "请求参数token不合法",
        NO_CREDITS: "剩余下载次数为0",
        BAD_PARAMETERS: "传入参数错误",
        NOT_FOUND: "图片不存在,请确认图片是否上传成功",
        UNSUPPORTED_FILE: "文件上传类型不支持",
        UPLOAD_FAILED: "上传失败",
        DAMAGED_PICTURE: "图片异常,处理失败",
        OTHER_ERROR: "其他错误",
    }
)
"""What the service says with each error number."""

GONE_MESSAGE: Final = "数据已失效,请重新上传"
"""9002 of the download call: the picture is unknown or past its hour."""

NO_PARTNER_MESSAGE: Final = "数据未找到"
"""9002 of the credits call: there is no such partner."""

STATUS_MESSAGE: Final = "获取任务状态成功"
V1_PROCESSING: Final = (100, "图片处理中")
V1_DONE: Final = (200, "图片处理完成")

PROCESSING: Final = 0
DONE: Final = 1
FAILED: Final = 2

QUEUED_STAGE: Final = 2001
DONE_STAGE: Final = 2002
BACKGROUND_STAGE: Final = 2004
FAILED_STAGE: Final = 2010

STATES: Final = MappingProxyType(
    {
        2001: "任务排队中",
        2002: "任务处理完成",
        2003: "图像超分中",
        2004: "替换背景中",
        2005: "抠图中",
        2006: "去除划痕中",
        2007: "图像去雾中",
        2008: "图像修复中",
        2009: "图像上色中",
        2010: "任务处理失败",
    }
)
"""The text of each stage."""

STAGE_NAMES: Final = MappingProxyType(
    {
        2001: "waiting in the queue",
        2002: "done",
        2003: "super-resolution",
        2004: "replacing the background",
        2005: "cutting out",
        2006: "removing scratches",
        2007: "removing haze",
        2008: "repairing",
        2009: "colouring",
        2010: "failed",
    }
)
"""The same for people who read English."""

STAGES_OF_OPERATION: Final = MappingProxyType(
    {
        "scratch": (2006,),
        "repair": (2008,),
        "defogging": (2007,),
        "colour": (2009,),
        "sr": (2003,),
        "bg": (2005, 2004),
    }
)
"""The stages an operation passes, in the order in which the sandbox works."""


class RefusalError(Exception):
    """Say no to a call in the vendor's way: an error number and a sentence."""

    def __init__(self, errno: int, message: str | None = None) -> None:
        self.errno = errno
        self.message = MESSAGES[errno] if message is None else message
        super().__init__(f"{errno} {self.message}")


def stages_of(operations: list[str] | tuple[str, ...], *, rgb: str = "") -> tuple[int, ...]:
    """List the stages a picture passes between the queue and the end, in working order."""
    stages = [
        stage
        for operation, of_operation in STAGES_OF_OPERATION.items()
        if operation in operations
        for stage in of_operation
    ]
    if rgb == TRANSPARENT and BACKGROUND_STAGE in stages:
        stages.remove(BACKGROUND_STAGE)
    return tuple(stages)
