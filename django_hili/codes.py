"""The closed list of things that can go wrong or be worth telling, each with a stable code.

Owns the codes and the sentence a person reads for each. Knows nothing of Django's models,
of HTTP or of where a code is shown: Python, REST, admin and the command print the same words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.utils.translation import gettext_lazy as _


class Code(StrEnum):
    """A stable name for one reason. Programs compare it; people read `sentence(code)`."""

    # The photo itself.
    PHOTO_MISSING = "photo_missing"
    PHOTO_EMPTY = "photo_empty"
    PHOTO_TOO_LARGE = "photo_too_large"
    PHOTO_NOT_AN_IMAGE = "photo_not_an_image"
    PHOTO_FORMAT_UNSUPPORTED = "photo_format_unsupported"
    PHOTO_DAMAGED = "photo_damaged"
    PHOTO_TOO_MANY_PIXELS = "photo_too_many_pixels"
    PHOTO_ANIMATED = "photo_animated"
    PHOTO_CMYK_WITHOUT_PROFILE = "photo_cmyk_without_profile"
    PHOTO_UNREADABLE = "photo_unreadable"

    # What was asked for.
    OPTION_INVALID = "option_invalid"
    OPERATION_MISSING = "operation_missing"
    OPERATION_UNKNOWN = "operation_unknown"
    OPERATION_UNAVAILABLE = "operation_unavailable"
    OPERATION_REPEATED = "operation_repeated"
    OPERATION_COMBINATION = "operation_combination"
    PRESET_UNKNOWN = "preset_unknown"
    PRESET_AND_OPERATIONS = "preset_and_operations"
    IMAGE_TYPE_UNKNOWN = "image_type_unknown"
    IMAGE_TYPE_UNSUPPORTED = "image_type_unsupported"
    SCALE_MISSING = "scale_missing"
    SCALE_UNSUPPORTED = "scale_unsupported"
    SCALE_WITHOUT_SR = "scale_without_sr"
    BACKGROUND_MISSING = "background_missing"
    BACKGROUND_INVALID = "background_invalid"
    BACKGROUND_UNSUPPORTED = "background_unsupported"
    BACKGROUND_WITHOUT_BG = "background_without_bg"
    DPI_UNSUPPORTED = "dpi_unsupported"
    FORMAT_UNSUPPORTED = "format_unsupported"
    MASK_WITHOUT_SCRATCH = "mask_without_scratch"
    MASK_UNSUPPORTED = "mask_unsupported"
    MASK_SIZE_WRONG = "mask_size_wrong"
    PROVIDER_UNKNOWN = "provider_unknown"
    RESULT_TOO_LARGE = "result_too_large"
    SUBJECT_UNKNOWN = "subject_unknown"
    FIELD_UNKNOWN = "field_unknown"

    # ID photos and print sheets.
    DOCUMENT_UNKNOWN = "document_unknown"
    FACE_BOX_INVALID = "face_box_invalid"
    FILE_SIZE_UNREACHABLE = "file_size_unreachable"
    PAPER_UNKNOWN = "paper_unknown"
    SHEET_TOO_SMALL = "sheet_too_small"

    # On the way.
    ENGINE_CRASHED = "engine_crashed"
    ENGINE_TIMED_OUT = "engine_timed_out"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    MODEL_LIMIT = "model_limit"
    BACKGROUND_BUSY = "background_busy"
    PERSON_NOT_FOUND = "person_not_found"
    PHOTO_TOO_SMALL = "photo_too_small"
    PROVIDER_DOWN = "provider_down"
    PROVIDER_BUSY = "provider_busy"
    PROVIDER_NO_CREDITS = "provider_no_credits"
    PROVIDER_BAD_CREDENTIALS = "provider_bad_credentials"
    PROVIDER_CLOCK_LEARNED = "provider_clock_learned"
    PROVIDER_REFUSED_OPTIONS = "provider_refused_options"
    PROVIDER_REFUSED_FILE = "provider_refused_file"
    PROVIDER_DAMAGED_PHOTO = "provider_damaged_photo"
    PROVIDER_UPLOAD_FAILED = "provider_upload_failed"
    PROVIDER_PROCESSING_FAILED = "provider_processing_failed"
    PROVIDER_ANSWER_UNREADABLE = "provider_answer_unreadable"
    PROVIDER_COPY_GONE = "provider_copy_gone"
    PROVIDER_CANNOT_REPEAT = "provider_cannot_repeat"
    SEND_UNKNOWN = "send_unknown"
    RESULT_ADDRESS_REFUSED = "result_address_refused"
    RESULT_FILE_TOO_LARGE = "result_file_too_large"
    RESULT_INVALID = "result_invalid"
    STORAGE_FAILED = "storage_failed"
    STORED_PHOTO_ALTERED = "stored_photo_altered"
    REPLAY_NEEDED = "replay_needed"
    SOURCE_GONE = "source_gone"
    SOURCE_EXPIRED = "source_expired"
    TRIES_EXHAUSTED = "tries_exhausted"
    INTERNAL_ERROR = "internal_error"

    # A door's own refusals.
    JOB_NOT_DONE = "job_not_done"
    RESULT_GONE = "result_gone"
    JOB_CHANGED = "job_changed"
    RESULT_EXISTS = "result_exists"
    RESULT_CLASHES = "result_clashes"
    JOB_REPEATED = "job_repeated"
    RETRY_POINTLESS = "retry_pointless"
    UPLOAD_AGAIN = "upload_again"
    KEY_INVALID = "key_invalid"
    KEY_REUSED = "key_reused"
    KEY_IN_FLIGHT = "key_in_flight"
    KEY_SPENT = "key_spent"
    CHARGE_NOT_ACCEPTED = "charge_not_accepted"
    RELEASE_NOT_ALLOWED = "release_not_allowed"
    BATCH_TOO_LARGE = "batch_too_large"
    BATCH_TOO_HEAVY = "batch_too_heavy"
    BATCH_TOO_COSTLY = "batch_too_costly"
    PROVIDER_WITHOUT_CREDITS = "provider_without_credits"
    PROVIDER_PAUSED = "provider_paused"

    # Requests of people.
    CASE_CHANGED = "case_changed"
    CASE_UNVERIFIED = "case_unverified"
    DEMAND_INCOMPLETE = "demand_incomplete"
    EXTENSION_UNREASONED = "extension_unreasoned"
    GROUND_MISSING = "ground_missing"
    GROUND_NOT_ALLOWED = "ground_not_allowed"
    GUARDIAN_UNVERIFIED = "guardian_unverified"
    INCIDENT_INCOMPLETE = "incident_incomplete"
    LINK_GONE = "link_gone"
    REQUESTS_TOO_MANY = "requests_too_many"
    SERVICE_ENDED = "service_ended"
    TEXT_MISSING = "text_missing"
    TEXT_TOO_LONG = "text_too_long"

    # What may not happen to a photo.
    CONSENT_NEEDED = "consent_needed"
    AGE_NEEDED = "age_needed"
    GUARDIAN_NEEDED = "guardian_needed"
    CHILD_STAYS_HERE = "child_stays_here"
    PEOPLE_NOT_AGREED = "people_not_agreed"
    PROCESSOR_NOT_ALLOWED = "processor_not_allowed"
    PROCESSOR_NOT_ASSESSED = "processor_not_assessed"
    POLICY_OUTDATED = "policy_outdated"
    BASIS_MISSING = "basis_missing"
    PURPOSE_UNKNOWN = "purpose_unknown"
    PHOTO_NOT_YOURS = "photo_not_yours"
    NOTICE_UNKNOWN = "notice_unknown"
    RECORD_FROZEN = "record_frozen"
    LONGER_NOT_ALLOWED = "longer_not_allowed"
    KEPT_TOO_LONG = "kept_too_long"
    AGE_NOT_RAISED = "age_not_raised"

    # Warnings: the job goes on.
    WARN_SIXTEEN_BIT = "sixteen_bit_reduced"
    WARN_PROFILE_IGNORED = "colour_profile_ignored"
    WARN_FIRST_PAGE = "first_page_only"
    WARN_ALREADY_CLEAN = "already_clean"
    WARN_NO_SCRATCH = "no_scratch_found"
    WARN_TOO_MANY_SCRATCHES = "too_many_scratches"
    WARN_MUCH_FILLED = "much_of_the_photo_filled"
    WARN_ALREADY_CLEAR = "already_clear"
    WARN_NO_COLOUR = "no_colour_to_judge_by"
    WARN_SOFT = "soft_at_x8"
    WARN_CENTRE_CROP = "centre_crop"
    WARN_ENLARGED = "enlarged"
    WARN_FACE_NEAR_EDGE = "face_near_edge"


SENTENCES: Final = {
    Code.PHOTO_MISSING: _("No photo was sent. Choose a file and try again."),
    Code.PHOTO_EMPTY: _("The file is empty. Choose another file."),
    Code.PHOTO_TOO_LARGE: _(
        "The file is larger than {limit} MB. Save the photo smaller and try again."
    ),
    Code.PHOTO_NOT_AN_IMAGE: _(
        "The file is not a photo, whatever its name says. Choose a JPEG, PNG, WebP or TIFF file."
    ),
    Code.PHOTO_FORMAT_UNSUPPORTED: _(
        "This kind of image cannot be read here. Save it as JPEG or PNG and try again."
    ),
    Code.PHOTO_DAMAGED: _(
        "The photo is damaged or cut short. Open it, save it anew and try again."
    ),
    Code.PHOTO_TOO_MANY_PIXELS: _(
        "The photo has more than {limit} megapixels. Make it smaller and try again."
    ),
    Code.PHOTO_ANIMATED: _("The photo is animated. Save one picture of it and send that."),
    Code.PHOTO_CMYK_WITHOUT_PROFILE: _(
        "The photo is in print colours (CMYK) without a colour profile, so its colours are "
        "unknown. Save it as RGB and try again."
    ),
    Code.PHOTO_UNREADABLE: _(
        "The photo could not be read within the limits of time and memory. Save it anew, or "
        "smaller, and try again."
    ),
    Code.OPTION_INVALID: _("One of the choices could not be read. Check it and try again."),
    Code.OPERATION_MISSING: _("Nothing to do: name a preset or at least one operation."),
    Code.OPERATION_UNKNOWN: _("There is no such operation. Use: {choices}."),
    Code.OPERATION_UNAVAILABLE: _(
        "The operation {operation} is not available with this provider: {reason}"
    ),
    Code.OPERATION_REPEATED: _("An operation is named twice. Name each once."),
    Code.PRESET_UNKNOWN: _("There is no such preset. Use: {choices}."),
    Code.PRESET_AND_OPERATIONS: _("Give either a preset or operations, not both."),
    Code.OPERATION_COMBINATION: _(
        "This provider does not do these operations together. Use one of: {choices}."
    ),
    Code.IMAGE_TYPE_UNKNOWN: _("There is no such image type. Use: {choices}."),
    Code.IMAGE_TYPE_UNSUPPORTED: _("This provider does not take that image type. Use: {choices}."),
    Code.SCALE_MISSING: _("Super-resolution needs a scale. Use: {choices}."),
    Code.SCALE_UNSUPPORTED: _("That scale is not offered. Use: {choices}."),
    Code.SCALE_WITHOUT_SR: _("A scale only goes with super-resolution (sr). Add sr or drop it."),
    Code.BACKGROUND_MISSING: _("Replacing the background needs a background. Use: {choices}."),
    Code.BACKGROUND_INVALID: _("That is not a background. Use: {choices}."),
    Code.BACKGROUND_UNSUPPORTED: _("This provider does not offer that background. Use: {choices}."),
    Code.BACKGROUND_WITHOUT_BG: _("A background only goes with bg. Add bg or drop it."),
    Code.DPI_UNSUPPORTED: _("That resolution is not offered. Use: {choices}."),
    Code.FORMAT_UNSUPPORTED: _("The result cannot be made in that format. Use: {choices}."),
    Code.MASK_WITHOUT_SCRATCH: _("A mask only goes with scratch. Add scratch or drop it."),
    Code.MASK_UNSUPPORTED: _("This provider takes no masks. Leave the mask out."),
    Code.MASK_SIZE_WRONG: _(
        "The mask is not as large as the photo. Draw it on the photo and keep its size."
    ),
    Code.PROVIDER_UNKNOWN: _("There is no such provider. Use: {choices}."),
    Code.RESULT_TOO_LARGE: _(
        "The result would be larger than {limit} pixels on a side. Choose a smaller scale or "
        "send a smaller photo."
    ),
    Code.FIELD_UNKNOWN: _("The field {name} is not taken here. Leave it out. Known: {choices}."),
    Code.SUBJECT_UNKNOWN: _("The person this photo belongs to is not known here."),
    Code.ENGINE_CRASHED: _(
        "This photo could not be processed. Nothing was kept. Save it anew and try again."
    ),
    Code.ENGINE_TIMED_OUT: _(
        "This photo took too long to process. Try a smaller photo or fewer operations."
    ),
    Code.MODEL_LIMIT: _(
        "The photo has more pixels than this site's model can take. Send a smaller photo."
    ),
    Code.ENGINE_UNAVAILABLE: _(
        "Photos cannot be processed here at the moment. The site's operator has to look."
    ),
    Code.BACKGROUND_BUSY: _(
        "The background is too busy to be told from the person. Take the photo before a plain "
        "wall and try again."
    ),
    Code.PROVIDER_DOWN: _(
        "The service that enhances photos does not answer. The photo waits and is tried again."
    ),
    Code.PROVIDER_BUSY: _(
        "The service that enhances photos is busy. The photo waits and is tried again."
    ),
    Code.PROVIDER_NO_CREDITS: _(
        "The site has no credits left with the service. The photo waits until the site's "
        "operator buys some."
    ),
    Code.PROVIDER_BAD_CREDENTIALS: _(
        "The service does not accept this site's account. The photo waits until the site's "
        "operator has looked."
    ),
    Code.PROVIDER_CLOCK_LEARNED: _(
        "The service's clock differs from this site's. The photo is tried again at once."
    ),
    Code.PROVIDER_REFUSED_OPTIONS: _(
        "The service refused what was asked for. Nothing was charged. Choose other options and "
        "try again."
    ),
    Code.PROVIDER_REFUSED_FILE: _(
        "The service does not take this file. Nothing was charged. Save the photo as JPEG or PNG, "
        "or smaller, and try again."
    ),
    Code.PROVIDER_DAMAGED_PHOTO: _(
        "The service could not read the photo. Nothing was charged. Open it, save it anew and "
        "try again."
    ),
    Code.PROVIDER_UPLOAD_FAILED: _(
        "The service could not take the photo. Nothing was charged. Try again later."
    ),
    Code.PROVIDER_PROCESSING_FAILED: _(
        "The service could not enhance this photo. Try another photo or other options."
    ),
    Code.PROVIDER_ANSWER_UNREADABLE: _(
        "The service gave an answer that makes no sense. It is asked again; if that goes on, "
        "the site's operator has to look."
    ),
    Code.PROVIDER_COPY_GONE: _(
        "The service no longer has the photo: it keeps each one for a limited time. Send the "
        "photo again."
    ),
    Code.PROVIDER_CANNOT_REPEAT: _(
        "This service cannot process a photo again that it already has. Send the photo anew."
    ),
    Code.SEND_UNKNOWN: _(
        "It is not known whether the service took the photo. So that nothing is paid twice, the "
        "photo waits until that is settled."
    ),
    Code.RESULT_ADDRESS_REFUSED: _(
        "The service named a place for the result that this site does not fetch from. The "
        "site's operator has to look."
    ),
    Code.RESULT_FILE_TOO_LARGE: _(
        "The result is a larger file than this site takes. Choose a smaller scale and try again."
    ),
    Code.PERSON_NOT_FOUND: _(
        "Nobody stands out from the background. Use a photo with one person before a plain wall."
    ),
    Code.PHOTO_TOO_SMALL: _("The photo is too small for this. Send a larger one."),
    Code.RESULT_INVALID: _("What came back was not a usable photo. Try again."),
    Code.STORAGE_FAILED: _("The photo could not be stored. Try again later."),
    Code.STORED_PHOTO_ALTERED: _(
        "The stored photo was changed or damaged and is not shown. Send the photo again."
    ),
    Code.REPLAY_NEEDED: _(
        "The site was restored from a copy. Photos are shown again once its operator has deleted "
        "what had been deleted before. Try again later."
    ),
    Code.SOURCE_GONE: _("The photo was deleted before it could be processed. Send it again."),
    Code.SOURCE_EXPIRED: _(
        "The photo waited longer than it may be kept and was deleted. Send it again."
    ),
    Code.TRIES_EXHAUSTED: _("Processing stopped several times. Try again later."),
    Code.INTERNAL_ERROR: _("Something went wrong on our side. Try again later."),
    Code.DOCUMENT_UNKNOWN: _("There is no such document. Use: {choices}."),
    Code.FACE_BOX_INVALID: _(
        "The face box does not lie in the photo. Give left, top, right and bottom in pixels, from "
        "the crown of the head to the chin."
    ),
    Code.FILE_SIZE_UNREACHABLE: _(
        "The photo cannot be saved in {limit} KB without spoiling it. Allow a larger file."
    ),
    Code.PAPER_UNKNOWN: _("There is no such paper. Use: {choices}."),
    Code.SHEET_TOO_SMALL: _("The photo does not fit on this paper. Choose larger paper."),
    Code.JOB_NOT_DONE: _("The result is not ready yet. Ask again in a moment."),
    Code.RESULT_GONE: _("The result has been deleted."),
    Code.JOB_CHANGED: _("The job has moved on in the meantime. Reload and look again."),
    Code.RESULT_EXISTS: _(
        "There is a file of that name already. Add --overwrite, or choose another folder."
    ),
    Code.RESULT_CLASHES: _(
        "Another photo of this run has the same name for its result. Rename one of them."
    ),
    Code.JOB_REPEATED: _("This is being done again already. Follow the newer job."),
    Code.RETRY_POINTLESS: _(
        "The same photo would fail in the same way. Send another photo, or choose something else."
    ),
    Code.UPLOAD_AGAIN: _(
        "The photo is kept nowhere any more, so it cannot go again from here. Upload it again."
    ),
    Code.KEY_INVALID: _("A key has 1 to {limit} plain characters."),
    Code.KEY_REUSED: _("This key was used for something else. Use a new key for a new request."),
    Code.KEY_IN_FLIGHT: _("The same request is being answered already. Ask again in a moment."),
    Code.KEY_SPENT: _(
        "What this key made has been deleted. Use a new key to send the photo again."
    ),
    Code.CHARGE_NOT_ACCEPTED: _(
        "It is not known whether this photo was charged, and sending it again may be charged a "
        "second time. Say that you accept that, or cancel the job."
    ),
    Code.RELEASE_NOT_ALLOWED: _(
        "The job waits for a consent, an approval or its provider, and that cannot be skipped here."
    ),
    Code.BATCH_TOO_LARGE: _("At most {limit} photos can be sent at once. Send fewer."),
    Code.BATCH_TOO_HEAVY: _("The photos together are larger than {limit} MB. Send fewer at once."),
    Code.BATCH_TOO_COSTLY: _(
        "Credits needed: {credits}. Allowed at once: {limit}. Choose fewer photos."
    ),
    Code.PROVIDER_WITHOUT_CREDITS: _("This provider charges nothing, so it has no balance."),
    Code.PROVIDER_PAUSED: _("The provider is paused by the site's operator. Try again later."),
    Code.CASE_CHANGED: _("The request has moved on in the meantime. Reload and look again."),
    Code.CASE_UNVERIFIED: _(
        "It has not been checked yet who asks. Note that first, or refuse the request because "
        "it could not be verified."
    ),
    Code.DEMAND_INCOMPLETE: _(
        "A demand needs the reference of its legal document, the person, what it covers and a "
        "period."
    ),
    Code.EXTENSION_UNREASONED: _(
        "More time needs one of the listed reasons and a later date, three months after "
        "receipt at the latest."
    ),
    Code.GROUND_MISSING: _(
        "A refusal, even in part, needs one of the listed grounds; an answer that is no "
        "refusal has none."
    ),
    Code.GROUND_NOT_ALLOWED: _(
        "Deleting, withdrawing and cancelling are always granted. They are refused only where "
        "it could not be verified who asks."
    ),
    Code.GUARDIAN_UNVERIFIED: _(
        "It has not been verified that a guardian asks, so nothing is handed out."
    ),
    Code.INCIDENT_INCOMPLETE: _("The incident cannot be closed yet. Still missing: {missing}."),
    Code.LINK_GONE: _("This link has been used or is past its time. Ask for a new one."),
    Code.REQUESTS_TOO_MANY: _(
        "Several of your requests are still waiting for an answer. Deleting, withdrawing and "
        "cancelling are possible at any time."
    ),
    Code.SERVICE_ENDED: _("This service has ended and takes no more photos."),
    Code.TEXT_MISSING: _("Write a few words, so that it is clear what you ask for."),
    Code.TEXT_TOO_LONG: _("The text is longer than {limit} characters. Shorten it and try again."),
    Code.CONSENT_NEEDED: _(
        "Consent is needed before this photo may be processed. Read the notice and agree to it."
    ),
    Code.AGE_NEEDED: _(
        "It has to be known first whether the person is an adult. Ask, and record the answer."
    ),
    Code.GUARDIAN_NEEDED: _(
        "A parent or guardian has to agree first, and the site has to be able to check it."
    ),
    Code.CHILD_STAYS_HERE: _(
        "A child’s photo is not sent to another company. Choose a provider on this server."
    ),
    Code.PEOPLE_NOT_AGREED: _(
        "Confirm that everybody shown in the photo has agreed, and send it again."
    ),
    Code.PROCESSOR_NOT_ALLOWED: _(
        "This site’s policy does not allow sending photos to this company. Choose another provider."
    ),
    Code.PROCESSOR_NOT_ASSESSED: _(
        "Photos may not be sent to this company for now: the site has no agreement with it on "
        "record, or no assessment of the last twelve months."
    ),
    Code.POLICY_OUTDATED: _(
        "The site’s policy does not cover this yet. The site’s operator has to publish a new "
        "version."
    ),
    Code.BASIS_MISSING: _(
        "Say why this photo may be processed: name its person, or attest it with a reason."
    ),
    Code.PURPOSE_UNKNOWN: _("Photos are not used for that. Nobody can agree to it here."),
    Code.PHOTO_NOT_YOURS: _("Only the person a photo belongs to may see it."),
    Code.NOTICE_UNKNOWN: _(
        "This is not the notice that is shown now. Read the present one and agree to that."
    ),
    Code.RECORD_FROZEN: _("What has been recorded is never changed. Record something new instead."),
    Code.LONGER_NOT_ALLOWED: _(
        "This site’s policy does not allow keeping a result for longer. Download it instead."
    ),
    Code.KEPT_TOO_LONG: _(
        "A result is kept for a year from now at the most. Choose an earlier day."
    ),
    Code.AGE_NOT_RAISED: _(
        "Only a guardian or the site’s staff can record that this person is older. Ask one of them."
    ),
    Code.WARN_SIXTEEN_BIT: _("The photo had 16 bits per colour; the result has 8."),
    Code.WARN_PROFILE_IGNORED: _("The photo's colour profile was damaged and not used."),
    Code.WARN_FIRST_PAGE: _("The file has several pages; the first one was used."),
    Code.WARN_ALREADY_CLEAN: _("The photo needed no repair."),
    Code.WARN_NO_SCRATCH: _("No scratch was found."),
    Code.WARN_TOO_MANY_SCRATCHES: _(
        "So much of the photo looks like a scratch that none was filled. Look at the mask, and say "
        "by a mask of your own what shall be filled."
    ),
    Code.WARN_MUCH_FILLED: _(
        "Much of the photo was filled in, and that is a guess. Compare the result with the photo."
    ),
    Code.WARN_ALREADY_CLEAR: _("No haze was found."),
    Code.WARN_NO_COLOUR: _(
        "In a photo without colour, haze cannot be told from a pale scene, so none was removed."
    ),
    Code.WARN_SOFT: _(
        "A photo enlarged eight times stays soft. Choose a smaller scale if it has to be sharp."
    ),
    Code.WARN_CENTRE_CROP: _(
        "No face was given, so the middle of the photo was used. Look whether the head is where "
        "the document wants it."
    ),
    Code.WARN_ENLARGED: _("The photo was smaller than the document needs and was enlarged."),
    Code.WARN_FACE_NEAR_EDGE: _(
        "The photo ends too close to the head; the missing part was filled with the background."
    ),
}
"""What a person reads. Placeholders are limits and choices, never a user's own words."""

OPERATION_REASONS: Final = {
    "needs_model": _("it needs a model that the site's operator has not installed."),
    "not_built_yet": _("it is not part of this version."),
    "not_offered": _("it is not offered."),
}
"""Why a provider declines an operation, by the reason code it declares."""


def sentence(code: str, /, **params: object) -> str:
    """Return the translated sentence for `code`; an unknown code reads as an internal error."""
    try:
        text = str(SENTENCES[Code(code)])
    except ValueError:
        return str(SENTENCES[Code.INTERNAL_ERROR])
    return text.format(**params) if params else text
