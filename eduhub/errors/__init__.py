"""Every error that EduHub raises on purpose, in one table.

An error has a stable `code` (logs, JSON and tests use it), the HTTP `status` that `http.py` answers with, and
whether trying again can help (`retry`: the job queue asks, it never guesses). What a person reads is three plain
sentences: what happened, what was kept, what to do next. They are message ids for translation, so they are
marked with `N_` and take their values by name from `facts`.

This module must not know HTTP, Flask or any domain.
"""

from eduhub.errors.base import N_ as N_
from eduhub.errors.base import EduHubError as EduHubError
from eduhub.errors.base import error_table as error_table
from eduhub.errors.base import sentences as sentences
from eduhub.errors.of_ops import BackupRefused as BackupRefused
from eduhub.errors.of_ops import DemoRefused as DemoRefused
from eduhub.errors.of_ops import NewerTables as NewerTables
from eduhub.errors.of_ops import ReleaseNeedsRoom as ReleaseNeedsRoom
from eduhub.errors.of_ops import ReleaseRefused as ReleaseRefused
from eduhub.errors.sticks import AnotherHubsStick as AnotherHubsStick
from eduhub.errors.sticks import BoxBusy as BoxBusy
from eduhub.errors.sticks import NoCourier as NoCourier
from eduhub.errors.sticks import NoStickFile as NoStickFile
from eduhub.errors.sticks import OlderStick as OlderStick
from eduhub.errors.sticks import StickBusy as StickBusy
from eduhub.errors.sticks import StickFileBusy as StickFileBusy
from eduhub.errors.sticks import StickFileCut as StickFileCut
from eduhub.errors.sticks import StickFileNeedsRoom as StickFileNeedsRoom
from eduhub.errors.sticks import StickFileTooLarge as StickFileTooLarge
from eduhub.errors.sticks import StickFull as StickFull
from eduhub.errors.sticks import StickGone as StickGone
from eduhub.errors.sticks import StickReadOnly as StickReadOnly

# --- start and settings -------------------------------------------------------------


class BadSetting(EduHubError):
    code, status = "config.bad_setting", 500
    happened = N_("The setting %(setting)s has a value that cannot be used: %(reason)s.")
    kept = N_("Nothing was started.")
    next_step = N_("Correct the setting and start again. 'eduhub settings' lists them all.")


class AddressInUse(EduHubError):
    code, status = "config.address_in_use", 500
    happened = N_("Another program already uses the address %(address)s.")
    kept = N_("Nothing was started.")
    next_step = N_("Stop the other program, or choose another port with EDUHUB_PORT.")


# --- what was asked for -------------------------------------------------------------


class NotFound(EduHubError):
    code, status = "asked.not_found", 404
    happened = N_("This page or thing is not here.")
    kept = N_("Nothing was changed.")
    next_step = N_("Go back, or start again from the first page.")


class BadInput(EduHubError):
    code, status = "asked.bad_input", 400
    happened = N_("Something that was typed or sent cannot be used.")
    kept = N_("Nothing was changed.")
    next_step = N_("Correct it and send it again.")


class NotAChild(EduHubError):
    code, status = "people.not_a_child", 409
    happened = N_("This person works at a school, and is no child of a class.")
    kept = N_("Nothing was changed.")
    next_step = N_("Choose a child. Whoever learns now and works no more is put into a class after their tasks have ended.")


class PlanChanged(EduHubError):
    code, status = "plan.changed", 409
    happened = N_("Somebody else has moved this lesson, or taken it out of the plan, in the meantime.")
    kept = N_("Their change is kept; yours was not made.")
    next_step = N_("Look at the plan as it is now, and change it there if it is still needed.")


class ReviewChanged(EduHubError):
    code, status = "review.changed", 409
    happened = N_("The lesson has changed since you looked at it.")
    kept = N_("It waits as before; nothing was published.")
    next_step = N_("See it again as it is now, then publish it or send it back.")


class CannotUndo(EduHubError):
    code, status = "history.cannot_undo", 409
    happened = N_("This cannot be undone: %(reason)s.")
    kept = N_("Nothing was changed.")
    next_step = N_("Change it on its own page if it is still needed.")


class NotAllowed(EduHubError):
    code, status = "asked.not_allowed", 403
    happened = N_("You may not do this.")
    kept = N_("Nothing was changed.")
    next_step = N_("Ask your school's admin if you think you should be able to.")


class LessonTakenBack(EduHubError):
    code, status = "lesson.taken_back", 410
    happened = N_("The school has taken this lesson back.")
    kept = N_("What you have watched of it is kept.")
    next_step = N_("Choose another lesson, or ask your teacher about this one.")


class SignInNeeded(EduHubError):
    code, status = "asked.sign_in_needed", 401
    happened = N_("You are not signed in.")
    kept = N_("Nothing was changed.")
    next_step = N_("Sign in and try again.")


class SignInFailed(EduHubError):
    code, status = "accounts.sign_in_failed", 401
    happened = N_("The name or the password is not right.")
    kept = N_("Nothing was changed.")
    next_step = N_("Try again, or ask your school's admin for a new password.")


class WordEnded(SignInFailed):
    code, status = "accounts.word_ended", 401
    happened = N_("This word was good for three days, and they are over.")
    kept = N_("Nothing was changed.")
    next_step = N_("Ask your school's admin for a new one.")


class TooManyTries(EduHubError):
    code, status = "accounts.too_many_tries", 429
    happened = N_("There were too many wrong tries to sign in.")
    kept = N_("The password is as it was.")
    next_step = N_("Wait %(seconds)s s, then try again. Your school's admin can give you a new password.")


class PhotosBusy(EduHubError):
    code, status, retry = "accounts.photos_busy", 503, True
    happened = N_("Many photos of cards came at the same time.")
    kept = N_("Nothing was changed.")
    next_step = N_("Send the photo again in a moment, or type the code of the card.")


class NewPasswordNeeded(EduHubError):
    code, status = "accounts.new_password_needed", 403
    happened = N_("You signed in with a word that is good once.")
    kept = N_("Nothing was changed.")
    next_step = N_("Choose your own password first.")


class PasswordTooWeak(BadInput):
    code, status = "accounts.password_too_weak", 400
    happened = N_("This password is too short or too easy to guess.")
    kept = N_("The password is as it was.")
    next_step = N_("Choose one of at least 8 characters that others would not think of. Three unrelated words are good.")


class SignInNameTaken(BadInput):
    code, status = "accounts.sign_in_name_taken", 409
    happened = N_("Somebody else signs in with this name already.")
    kept = N_("Nothing was changed.")
    next_step = N_("Choose another name to sign in with.")


class CardNotKnown(EduHubError):
    code, status = "accounts.card_not_known", 401
    happened = N_("This card is not known here.")
    kept = N_("Nothing was changed.")
    next_step = N_("Type the code again, or ask your teacher for a new card.")


class PicturesWrong(EduHubError):
    code, status = "accounts.pictures_wrong", 401
    happened = N_("These are not your pictures, or not in this order.")
    kept = N_("Nothing was changed.")
    next_step = N_("Try again, or sign in with your card.")


class CardNotInPhoto(EduHubError):
    code, status = "accounts.card_not_in_photo", 422
    happened = N_("No card could be read in this photo.")
    kept = N_("The photo was not kept.")
    next_step = N_("Hold the card flat, in good light, so that the square is sharp and whole, and try again.")


# --- storage ------------------------------------------------------------------------


class DiskFull(EduHubError):
    code, status = "storage.disk_full", 507
    happened = N_("The disk is full.")
    kept = N_("Everything that was saved before is whole.")
    next_step = N_("Tell the person who looks after the system to make room, then try again.")


class HashMismatch(EduHubError):
    code, status, retry = "storage.hash_mismatch", 422, True
    happened = N_("The bytes that arrived are not the bytes that were promised.")
    kept = N_("They were thrown away; nothing that was held before is touched.")
    next_step = N_("It will be fetched again.")


class StoreUnreadable(EduHubError):
    code, status = "storage.unreadable", 503
    happened = N_("The disk with the recordings cannot be read.")
    kept = N_("Nothing was changed on it.")
    next_step = N_("Tell the person who looks after the system to check the disk and its cable.")


class BlobMissing(EduHubError):
    code, status = "storage.blob_missing", 404
    happened = N_("This part of the lesson is not stored here yet.")
    kept = N_("Nothing was changed.")
    next_step = N_("Try again when it has arrived.")


# --- signatures and streams ---------------------------------------------------------


class BadSignature(EduHubError):
    code, status = "signing.bad_signature", 422
    happened = N_("Something arrived that was not signed by a key we trust.")
    kept = N_("It was refused; nothing was changed.")
    next_step = N_("Tell the operator of the hub.")


class BadFormat(EduHubError):
    code, status = "format.bad", 422
    happened = N_("Something arrived in a form that cannot be read.")
    kept = N_("It was refused; nothing was changed.")
    next_step = N_("Tell the operator of the hub.")


class RolledBack(EduHubError):
    code, status = "catalog.rolled_back", 409
    happened = N_("An older list of lessons was offered than the one already held.")
    kept = N_("It was refused; nothing was changed.")
    next_step = N_("Tell the operator of the hub.")


class CatalogCutShort(EduHubError):
    code, status, retry = "catalog.cut_short", 422, True
    happened = N_("The list of lessons did not arrive whole.")
    kept = N_("The list that was held before is kept.")
    next_step = N_("It will be fetched again.")


class KeyMissing(EduHubError):
    code, status = "keys.missing", 500
    happened = N_("A key file is missing here: %(key)s.")
    kept = N_("Nothing was changed.")
    next_step = N_("Bring the key file, or restore it from the place where it is kept.")


class PassRefused(EduHubError):
    code, status = "delivery.pass_refused", 403
    happened = N_("The permission to read this lesson has ended.")
    kept = N_("How far you watched is kept.")
    next_step = N_("Open the lesson's page again.")


# --- media --------------------------------------------------------------------------


class UploadRefused(EduHubError):
    code, status = "media.upload_refused", 403
    happened = N_("This upload is not allowed, or its time is over.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Open the lesson and choose the file again.")


class UploadTooLarge(EduHubError):
    code, status = "media.upload_too_large", 413
    happened = N_("The file is larger than the %(limit_mb)s MB that are allowed.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Choose a smaller file, or ask the operator to raise the limit.")


class UploadCutShort(EduHubError):
    code, status, retry = "media.upload_cut_short", 400, True
    happened = N_("The connection ended before the whole file had arrived.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Choose the file again.")


class UploadGone(EduHubError):
    code, status = "media.upload_gone", 410
    happened = N_("The part of the file that had arrived was kept for %(days)s days and is gone.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Open the lesson and choose the file again.")


class UploadElsewhere(EduHubError):
    code, status, retry = "media.upload_elsewhere", 409, True
    happened = N_("This place of the file was not expected now.")
    kept = N_("What has arrived is kept.")
    next_step = N_("It goes on by itself.")


class UploadAnother(EduHubError):
    code, status = "media.upload_another", 409
    happened = N_("Another file is half here already: %(file_name)s.")
    kept = N_("What has arrived of it is kept.")
    next_step = N_("Choose that file again and it goes on. To send another, give that one up first.")


class UploadVersion(BadInput):
    code, status = "media.upload_version", 412


class UploadKind(BadInput):
    code, status = "media.upload_kind", 415


class UploadBusy(EduHubError):
    code, status, retry = "media.upload_busy", 423, True
    happened = N_("This file is arriving over another connection just now.")
    kept = N_("What has arrived is kept.")
    next_step = N_("It goes on by itself.")


class QuotaFull(EduHubError):
    code, status = "media.quota_full", 413
    happened = N_("The school's room for recordings is full: %(free_mb)s MB are left.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Choose a smaller file, or ask the operator for more room.")


class MediaRefused(EduHubError):
    code, status = "media.refused", 422
    happened = N_("This file cannot be used as a lesson: %(reason)s.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Choose a video or sound file from a camera, a phone or a screen recorder.")


class EncodeFailed(EduHubError):
    code, status = "media.encode_failed", 500
    happened = N_("The video could not be prepared.")
    kept = N_("The file that was sent is kept.")
    next_step = N_("Choose a video or sound file from a camera, a phone or a screen recorder.")


class EncodeInterrupted(EncodeFailed):
    code, status, retry = "media.encode_interrupted", 503, True
    next_step = N_("Try again. If it happens again, tell the person who looks after the system.")


class ToolMissing(EduHubError):
    code, status = "media.tool_missing", 500
    happened = N_("A program that prepares video is missing here: %(tool)s.")
    kept = N_("The file that was sent is kept.")
    next_step = N_("Run 'eduhub doctor' and do what it says.")


class CaptionsRefused(BadInput):
    code = "courses.captions_refused"
    happened = N_("These captions cannot be used. Line %(line)s: %(reason)s.")
    kept = N_("The captions that were there before are kept.")
    next_step = N_("Correct the file and choose it again.")


class CaptionsTooLarge(EduHubError):
    code, status = "courses.captions_too_large", 413
    happened = N_("A file with captions has at most %(most_kb)s KB; this one has more.")
    kept = N_("The captions that were there before are kept.")
    next_step = N_("Go back and choose the file with the captions (.vtt or .srt), not the video.")


class ChaptersRefused(BadInput):
    code = "courses.chapters_refused"
    happened = N_("These chapters cannot be used. Line %(line)s: %(reason)s.")
    kept = N_("What you typed is still here.")
    next_step = N_("Correct the line and save again.")


class AttachmentRefused(EduHubError):
    code, status = "media.attachment_refused", 422
    happened = N_("This file cannot be attached: %(reason)s.")
    kept = N_("The lesson is as it was.")
    next_step = N_("Choose a PDF, or a picture (JPEG, PNG or WebP).")


# --- jobs ---------------------------------------------------------------------------


class LeaseLost(EduHubError):
    code, status, retry = "jobs.lease_lost", 409, True
    happened = N_("This work was handed to another worker.")
    kept = N_("What was finished is kept.")
    next_step = N_("Nothing needs to be done.")


class WorkerStopping(LeaseLost):
    code, status, retry = "jobs.worker_stopping", 503, True
    happened = N_("The program is being stopped, so this work was put back.")
    kept = N_("What was finished is kept.")
    next_step = N_("It goes on by itself after the start.")


class JobCancelled(EduHubError):
    code, status = "jobs.cancelled", 409
    happened = N_("This work was stopped.")
    kept = N_("What was finished is kept.")
    next_step = N_("Start it again when you want it.")


# --- the school's box ---------------------------------------------------------------


class JoinRefused(EduHubError):
    code, status = "sync.join_refused", 403
    happened = N_("The code for joining is wrong, used or too old.")
    kept = N_("Nothing was changed.")
    next_step = N_("Ask the operator for a new code.")


class AlreadyJoined(EduHubError):
    code, status = "sync.already_joined", 409
    happened = N_("This box has already joined a hub.")
    kept = N_("Nothing was changed.")
    next_step = N_("To join another hub, start with an empty data folder.")


class LinkDown(EduHubError):
    code, status, retry = "sync.link_down", 503, True
    happened = N_("The county could not be reached.")
    kept = N_("Everything waits here and will be sent when the link is back.")
    next_step = N_("Nothing needs to be done; it tries again by itself.")


class NodeRefused(EduHubError):
    code, status = "sync.node_refused", 401
    happened = N_("The county does not know this box, or has shut it out.")
    kept = N_("Everything on the box is kept.")
    next_step = N_("Ask the operator of the hub.")


class CertificateNotMade(EduHubError):
    code, status, retry = "sync.certificate_not_made", 502, True
    happened = N_("No certificate could be made for a box.")
    kept = N_("The box goes on with the one it has.")
    next_step = N_("It is tried again each hour. Look at what EDUHUB_CERTIFICATE_COMMAND says when it is run by hand.")


class NodeReplaced(EduHubError):
    code, status = "sync.node_replaced", 403
    happened = N_("Another box has taken the place of this one.")
    kept = N_("What was done here still goes home.")
    next_step = N_("Use the new box, and switch this one off when nothing waits here any more.")


# --- learning -----------------------------------------------------------------------


class TokenRefused(EduHubError):
    code, status = "learning.token_refused", 401
    happened = N_("What was watched could not be booked to anybody.")
    kept = N_("It is kept on this device.")
    next_step = N_("Sign in again.")


class PlaceNotKnown(EduHubError):
    code, status = "learning.place_not_known", 404
    happened = N_("This number is not known here.")
    kept = N_("Nothing was changed.")
    next_step = N_("Look at your paper and type it again. It has nine digits, and is good where you were given it.")


class TooMuch(EduHubError):
    code, status = "asked.too_much", 413
    happened = N_("More was sent at once than is taken.")
    kept = N_("Nothing was changed.")
    next_step = N_("Send it in smaller portions.")


class TooManyBatches(TooMuch):
    code, status, retry = "learning.too_many_batches", 429, True
    kept = N_("It is kept on this device.")
    next_step = N_("Nothing needs to be done; it tries again by itself.")
