"""Every error the payment desk raises on purpose, each with the code and HTTP status of the contract.

    LumiraError
    ├── SettingsError               the program can't start as it is set up
    ├── InvalidRequest              400  the caller must change the request
    │   ├── InvalidRequestBody           INVALID_REQUEST_BODY
    │   ├── MissingProductId             MISSING_PRODUCT_ID
    │   ├── InvalidEmail                 INVALID_EMAIL
    │   ├── InvalidCustomer              INVALID_CUSTOMER
    │   ├── InvalidFirstName             INVALID_FIRST_NAME
    │   ├── InvalidLastName              INVALID_LAST_NAME
    │   ├── InvalidMetadata              INVALID_METADATA
    │   ├── InvalidIdempotencyKey        INVALID_IDEMPOTENCY_KEY
    │   ├── InvalidTokenName             INVALID_TOKEN_NAME
    │   ├── InvalidText                  INVALID_TEXT
    │   ├── InvalidValue                 INVALID_VALUE
    │   ├── InvalidFilter                INVALID_FILTER
    │   ├── WeakPassword                 WEAK_PASSWORD
    │   ├── WrongPassword                WRONG_PASSWORD
    │   ├── WrongCode                    WRONG_CODE
    │   ├── InvalidAddress               INVALID_ADDRESS (of the webhook)
    │   ├── InvalidViewName              INVALID_VIEW_NAME
    │   ├── InvalidNote                  INVALID_NOTE
    │   ├── InvalidSignature             INVALID_SIGNATURE (webhook)
    │   └── InvalidEvent                 INVALID_EVENT (webhook)
    ├── BackupUnreadable                 the file is no backup, or damaged
    ├── StoreNotEmpty                    a backup goes into an empty store only
    ├── Unauthorized                401  UNAUTHORIZED
    │   ├── SessionEnded                 SESSION_ENDED
    │   ├── SignInRefused                SIGN_IN_REFUSED
    │   ├── CodeNeeded                   CODE_NEEDED (the password was right)
    │   └── AuthenticatorUnreadable      AUTHENTICATOR_UNREADABLE (the signing key has changed)
    ├── Forbidden                   403  FORBIDDEN
    ├── PaymentFailed               402  PAYMENT_FAILED
    ├── NotFound                    404
    │   ├── ProductNotFound              PRODUCT_NOT_FOUND
    │   ├── OrderNotFound                ORDER_NOT_FOUND
    │   ├── EventNotFound                EVENT_NOT_FOUND
    │   ├── PayoutNotFound               PAYOUT_NOT_FOUND
    │   ├── TokenNotFound                TOKEN_NOT_FOUND
    │   ├── AccountNotFound              ACCOUNT_NOT_FOUND
    │   └── SessionNotFound              SESSION_NOT_FOUND
    ├── Conflict                    409
    │   ├── ProductNotAvailable          PRODUCT_NOT_AVAILABLE
    │   ├── IdempotencyConflict          IDEMPOTENCY_CONFLICT
    │   ├── TokenNameTaken               TOKEN_NAME_TAKEN
    │   ├── AccountExists                ACCOUNT_EXISTS
    │   ├── LastAdministrator            LAST_ADMINISTRATOR
    │   ├── CustomerErased               CUSTOMER_ERASED
    │   ├── OrderNotCancellable          ORDER_NOT_CANCELLABLE
    │   ├── OrderNotPayable              ORDER_NOT_PAYABLE
    │   ├── OrderNotRefundable           ORDER_NOT_REFUNDABLE
    │   ├── RefundUnanswered             REFUND_UNANSWERED
    │   ├── MonthNotOver                 MONTH_NOT_OVER
    │   ├── MonthClosed                  MONTH_CLOSED
    │   ├── MonthChanged                 MONTH_CHANGED
    │   ├── DuplicateValues              DUPLICATE_VALUES (documents of before ours)
    │   └── StoreRightsMissing           STORE_RIGHTS_MISSING
    ├── RequestTooLarge             413  REQUEST_TOO_LARGE
    ├── RateLimited                 429  RATE_LIMITED
    │   └── TooManyAttempts              TOO_MANY_ATTEMPTS (to sign in)
    ├── OrderUnreadable             500  ORDER_UNREADABLE (another program has spoilt it)
    ├── WebhookNotConfigured        500  WEBHOOK_SECRET_MISSING
    ├── EventInProgress             500  EVENT_IN_PROGRESS (Stripe sends it again)
    ├── StripeError                 502
    │   ├── StripeConfigError            STRIPE_CONFIG_ERROR
    │   ├── StripeServiceError           STRIPE_SERVICE_ERROR
    │   │   ├── StripeRateLimited
    │   │   └── StripeRefused
    │   └── StripeTimeout                SERVICE_TIMEOUT
    ├── SignInUnavailable           503  SIGN_IN_UNAVAILABLE (an OpenID provider is away, or not set up)
    └── StoreUnavailable            503  STORE_UNAVAILABLE
        ├── StoreStopped                 it answers, and works again only once it begins anew
        ├── StoreSignInRefused           the user or password of MONGODB_URI is wrong
        └── StoreRefused                 its user lacks a right, or room or an index hinders it

`message` is a sentence for the person who reads it and says what to do next; it holds no secret.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final


class LumiraError(Exception):
    """An error with a stable `code`, an HTTP `status`, a short `error` title and a `message` for people.

    `extra` are further members of the JSON body the contract asks for (`validProductIds`, say).
    """

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    status: ClassVar[int] = 500
    error: ClassVar[str] = "Internal server error"

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra


class BackupUnreadable(LumiraError):
    """A file that `lumira restore` can't take: no backup, another format, or not as it was written."""

    code = "BACKUP_UNREADABLE"
    error = "Backup unreadable"


class StoreNotEmpty(LumiraError):
    """A backup is restored into an empty store only: it would be mixed with what is there."""

    code = "STORE_NOT_EMPTY"
    error = "Store not empty"


class SettingsError(LumiraError):
    """The program can't start as it is set up; `message` is the one line shown to whoever started it."""

    code = "SETTINGS_ERROR"
    error = "Configuration error"


class InvalidRequest(LumiraError):
    """The caller must change the request."""

    code = "INVALID_REQUEST"
    status = 400
    error = "Invalid request"


class InvalidRequestBody(InvalidRequest):
    """The body is not JSON, not an object, or empty."""

    code = "INVALID_REQUEST_BODY"
    error = "Invalid request body"


class MissingProductId(InvalidRequest):
    """The body names no product."""

    code = "MISSING_PRODUCT_ID"
    error = "Product ID is required"


class InvalidEmail(InvalidRequest):
    """The e-mail address given is not one."""

    code = "INVALID_EMAIL"
    error = "Invalid email format"


class InvalidMetadata(InvalidRequest):
    """Metadata is not text to text, or goes over Stripe's limits."""

    code = "INVALID_METADATA"
    error = "Invalid metadata"


class InvalidFirstName(InvalidRequest):
    """The first name has fewer than two characters, or more than fit beside the last one."""

    code = "INVALID_FIRST_NAME"
    error = "Invalid first name"


class InvalidLastName(InvalidRequest):
    """The last name has fewer than two characters, or more than fit beside the first one."""

    code = "INVALID_LAST_NAME"
    error = "Invalid last name"


class InvalidCustomer(InvalidRequest):
    """The customer's name or phone can't be stored."""

    code = "INVALID_CUSTOMER"
    error = "Invalid customer"


class InvalidText(InvalidRequest):
    """A text holds half a surrogate pair, which no store and no Stripe takes."""

    code = "INVALID_TEXT"
    error = "Invalid text"


class InvalidValue(InvalidRequest):
    """What was sent holds something that no document of the store can hold."""

    code = "INVALID_VALUE"
    error = "Invalid value"


class InvalidIdempotencyKey(InvalidRequest):
    """The Idempotency-Key header is empty or longer than Stripe takes."""

    code = "INVALID_IDEMPOTENCY_KEY"
    error = "Invalid idempotency key"


class InvalidTokenName(InvalidRequest):
    """The name given to an API token can't be one."""

    code = "INVALID_TOKEN_NAME"
    error = "Invalid token name"


class InvalidFilter(InvalidRequest):
    """A filter of the orders that means nothing; `extra` holds its name as `filter`."""

    code = "INVALID_FILTER"
    error = "Invalid filter"


class WeakPassword(InvalidRequest):
    """A new password that others would guess, or that is the old one."""

    code = "WEAK_PASSWORD"
    error = "Password too weak"


class WrongPassword(InvalidRequest):
    """The present password, asked for once more, is another."""

    code = "WRONG_PASSWORD"
    error = "Wrong password"


class WrongCode(InvalidRequest):
    """The code is not that of the authenticator which is being set up."""

    code = "WRONG_CODE"
    error = "Wrong code"


class InvalidAddress(InvalidRequest):
    """The address given for Stripe's webhook can't be one."""

    code = "INVALID_ADDRESS"
    error = "Invalid webhook address"


class InvalidViewName(InvalidRequest):
    """The name given to a saved view can't be one."""

    code = "INVALID_VIEW_NAME"
    error = "Invalid view name"


class InvalidNote(InvalidRequest):
    """A note is empty, or too long."""

    code = "INVALID_NOTE"
    error = "Invalid note"


class InvalidSignature(InvalidRequest):
    """A webhook delivery without a valid, fresh signature: nothing of it is stored."""

    code = "INVALID_SIGNATURE"
    error = "Invalid webhook signature"


class InvalidEvent(InvalidRequest):
    """A signed delivery that is not a Stripe event."""

    code = "INVALID_EVENT"
    error = "Invalid webhook event"


class Unauthorized(LumiraError):
    """No bearer token, or one we don't know."""

    code = "UNAUTHORIZED"
    status = 401
    error = "Unauthorized"


class SessionEnded(Unauthorized):
    """Nobody is signed in at this page, or no longer."""

    code = "SESSION_ENDED"
    error = "The session has ended"


class SignInRefused(Unauthorized):
    """Who they are is not proved, or they have no account that is open; which of it is nobody's business."""

    code = "SIGN_IN_REFUSED"
    error = "Sign-in refused"


class AuthenticatorUnreadable(Unauthorized):
    """The password was right, but no code can be checked: its secret is encrypted with another key."""

    code = "AUTHENTICATOR_UNREADABLE"
    error = "Authenticator unreadable"


class CodeNeeded(Unauthorized):
    """The password was right, and the account asks for a code too; `ticket` stands for the password."""

    code = "CODE_NEEDED"
    error = "A code is needed"

    @property
    def ticket(self) -> str:
        """What proves for five minutes that the password was right."""
        return str(self.extra["ticket"])


class Forbidden(LumiraError):
    """A person or token without the permission for this."""

    code = "FORBIDDEN"
    status = 403
    error = "Forbidden"


class PaymentFailed(LumiraError):
    """Stripe declined the payment itself; `extra` holds declineCode when the issuer gave one."""

    code = "PAYMENT_FAILED"
    status = 402
    error = "Payment failed"


class NotFound(LumiraError):
    """What was asked for does not exist."""

    code = "NOT_FOUND"
    status = 404
    error = "Not found"


class ProductNotFound(NotFound):
    """No product of that id in the catalog."""

    code = "PRODUCT_NOT_FOUND"
    error = "Product not found"


class OrderNotFound(NotFound):
    """No order of that id in the store."""

    code = "ORDER_NOT_FOUND"
    error = "Order not found"


class EventNotFound(NotFound):
    """No event of that id in the ledger."""

    code = "EVENT_NOT_FOUND"
    error = "Event not found"


class PayoutNotFound(NotFound):
    """Stripe knows no payout of that id."""

    code = "PAYOUT_NOT_FOUND"
    error = "Payout not found"


class TokenNotFound(NotFound):
    """No API token of that name in the store."""

    code = "TOKEN_NOT_FOUND"
    error = "Token not found"


class AccountNotFound(NotFound):
    """No member of staff has that e-mail address."""

    code = "ACCOUNT_NOT_FOUND"
    error = "Account not found"


class SessionNotFound(NotFound):
    """No session of that id, or no longer."""

    code = "SESSION_NOT_FOUND"
    error = "Session not found"


class Conflict(LumiraError):
    """The request is well formed, and the state of things forbids it."""

    code = "CONFLICT"
    status = 409
    error = "Conflict"


class ProductNotAvailable(Conflict):
    """The product is announced and can't be sold yet."""

    code = "PRODUCT_NOT_AVAILABLE"
    error = "Product not available"


class IdempotencyConflict(Conflict):
    """The idempotency key was used before, for another request."""

    code = "IDEMPOTENCY_CONFLICT"
    error = "Idempotency key already used"


class AccountExists(Conflict):
    """That e-mail address has an account, open or disabled."""

    code = "ACCOUNT_EXISTS"
    error = "Account exists"


class LastAdministrator(Conflict):
    """Nobody would be left to manage accounts."""

    code = "LAST_ADMINISTRATOR"
    error = "The last administrator"


class TokenNameTaken(Conflict):
    """An API token of that name exists, or existed: a name in a timeline means one token for ever."""

    code = "TOKEN_NAME_TAKEN"
    error = "Token name taken"


class CustomerErased(Conflict):
    """The order's customer was erased at their request; no other takes their place."""

    code = "CUSTOMER_ERASED"
    error = "Customer erased"


class OrderNotCancellable(Conflict):
    """Stripe or the order's state no longer allows to cancel."""

    code = "ORDER_NOT_CANCELLABLE"
    error = "Order can't be cancelled"


class OrderNotPayable(Conflict):
    """The order is final, free, or not at Stripe yet; or it is live, and a test card was to pay it."""

    code = "ORDER_NOT_PAYABLE"
    error = "Order can't be paid"


class OrderNotRefundable(Conflict):
    """The order is not paid, or less of it is left than was asked for; `extra` holds `refundable`."""

    code = "ORDER_NOT_REFUNDABLE"
    error = "Order can't be refunded"


class RefundUnanswered(Conflict):
    """Another refund of the order may be on its way: Stripe has not said what came of it."""

    code = "REFUND_UNANSWERED"
    error = "Refund unanswered"


class MonthNotOver(Conflict):
    """A month is closed when its last day is over."""

    code = "MONTH_NOT_OVER"
    error = "Month not over"


class MonthClosed(Conflict):
    """The month was closed before; its figures stay as they were signed."""

    code = "MONTH_CLOSED"
    error = "Month already closed"


class MonthChanged(Conflict):
    """The figures of a month are no longer those that whoever signs it was shown; `figures` are the new."""

    code = "MONTH_CHANGED"
    error = "Month changed"


class DuplicateValues(Conflict):
    """Documents that another program left share what an index wants unique; `names` says which."""

    code = "DUPLICATE_VALUES"


class StoreRightsMissing(Conflict):
    """What the user of MONGODB_URI has no right to make; `names` says which."""

    code = "STORE_RIGHTS_MISSING"


class RequestTooLarge(LumiraError):
    """The body is larger than anything the API takes."""

    code = "REQUEST_TOO_LARGE"
    status = 413
    error = "Request too large"


class RateLimited(LumiraError):
    """The caller's address sent more requests than it may."""

    code = "RATE_LIMITED"
    status = 429
    error = "Too many requests"


class TooManyAttempts(RateLimited):
    """Too many tries to sign in, at an account or from an address; `extra` holds `retry_after` in seconds."""

    code = "TOO_MANY_ATTEMPTS"
    error = "Too many attempts"

    @property
    def retry_after(self) -> int:
        """Seconds until the next try is heard."""
        return int(self.extra["retry_after"])


class OrderUnreadable(LumiraError):
    """A stored order lacks a field that every order has, or holds something else in it."""

    code = "ORDER_UNREADABLE"
    error = "Order unreadable"


class WebhookNotConfigured(LumiraError):
    """No webhook signing secret is set, so no delivery can be trusted."""

    code = "WEBHOOK_SECRET_MISSING"
    error = "Webhook secret not configured"


class EventInProgress(LumiraError):
    """Another worker holds the lease of this event; Stripe's next delivery finds it settled."""

    code = "EVENT_IN_PROGRESS"
    error = "Event in progress"


class StripeError(LumiraError):
    """Stripe could not do what we asked, through no fault of the caller."""

    code = "STRIPE_SERVICE_ERROR"
    status = 502
    error = "Payment service error"


class StripeConfigError(StripeError):
    """No Stripe key, or one that Stripe refuses."""

    code = "STRIPE_CONFIG_ERROR"
    error = "Payment service configuration error"


class StripeServiceError(StripeError):
    """Stripe is unreachable, rate-limits us or refuses the request."""


class StripeRateLimited(StripeServiceError):
    """Stripe asks us to slow down; nothing was done."""


class StripeRefused(StripeServiceError):
    """Stripe answered no to this request, and will again; `extra` holds Stripe's code as stripeCode."""


# With these Stripe has answered that it tried nothing; after any other StripeError it may have acted.
# https://docs.stripe.com/error-low-level#idempotency
NOT_TRIED: Final = (StripeConfigError, StripeRateLimited)


class StripeTimeout(StripeError):
    """Stripe did not answer in time; whether it acted is settled by the idempotency key."""

    code = "SERVICE_TIMEOUT"


class StoreUnavailable(LumiraError):
    """The order store can't be reached; nothing was charged blind."""

    code = "STORE_UNAVAILABLE"
    status = 503
    error = "Order store unavailable"


class StoreStopped(StoreUnavailable):
    """The order store runs and will not work until it begins anew, as the embedded one after a full disk."""


class StoreSignInRefused(StoreUnavailable):
    """The order store knows no such user with this password: MONGODB_URI is to be corrected."""


class StoreRefused(StoreUnavailable):
    """The order store answers and does not do it: our user lacks a right, it has no room for more, or an
    index of another program is in the way.
    """


class SignInUnavailable(LumiraError):
    """An OpenID provider that can't be asked, or is not set up as it must be."""

    code = "SIGN_IN_UNAVAILABLE"
    status = 503
    error = "Signing in is not possible right now"
