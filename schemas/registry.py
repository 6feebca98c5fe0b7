"""A small client of the Confluent schema-registry API: look up, register, check."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from freshet.errors import FreshetError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
COMPATIBILITY = "BACKWARD_TRANSITIVE"
NO_REASON = "the registry calls it incompatible and gives no reason"
JAVA_CLASS = re.compile(r"^(?:[a-z]\w*\.)+\w+: ")  # Apicurio begins its reasons with the exception's class


class RegistryUnreachable(FreshetError):
    """The registry did not answer; the same call may succeed later."""


class SchemaRefused(FreshetError):
    """The registry knows a reason why this schema may not follow the ones before it."""


class SchemaNotFound(FreshetError):
    """The registry has no such id or subject."""


@dataclass(frozen=True)
class Registry:
    """The registry at `url`, the base of its Confluent API."""

    url: str
    timeout_s: float = 10.0
    transport: httpx.BaseTransport | None = field(default=None, repr=False, compare=False)

    def schema(self, schema_id: int) -> str:
        """Return the text of the schema with that id.

        Raises:
            SchemaNotFound: no schema has that id.
            RegistryUnreachable: no answer.
        """
        return str(self._call("GET", f"/schemas/ids/{schema_id}")["schema"])

    def id_of(self, subject: str, schema: str) -> int:
        """Return the id under which `subject` holds exactly this schema.

        Raises:
            SchemaNotFound: the subject does not hold it.
            RegistryUnreachable: no answer.
        """
        return int(self._call("POST", f"/subjects/{subject}", {"schema": schema})["id"])

    def register(self, subject: str, schema: str) -> int:
        """Add the schema to the subject, whose rule becomes BACKWARD_TRANSITIVE, and return its id.

        Raises:
            SchemaRefused: it breaks readers of an earlier version; the text carries the registry's reason.
            RegistryUnreachable: no answer.
        """
        self._call("PUT", f"/config/{subject}", {"compatibility": COMPATIBILITY})
        return int(self._call("POST", f"/subjects/{subject}/versions", {"schema": schema})["id"])

    def versions(self, subject: str) -> list[int]:
        """Return the subject's version numbers; none when it is unknown."""
        try:
            return list(self._call("GET", f"/subjects/{subject}/versions"))
        except SchemaNotFound:
            return []

    def version(self, subject: str, number: int) -> str:
        """Return the text of one version of a subject.

        Raises:
            SchemaNotFound: there is no such version.
            RegistryUnreachable: no answer.
        """
        return str(self._call("GET", f"/subjects/{subject}/versions/{number}")["schema"])

    def rule(self, subject: str) -> str | None:
        """Return the compatibility rule that was set for the subject; None when the registry's own default holds."""
        try:
            return str(self._call("GET", f"/config/{subject}")["compatibilityLevel"])
        except SchemaNotFound:
            return None

    def problems(self, subject: str, schema: str) -> list[str]:
        """Return the registry's reasons against adding this schema; none when its rule for the subject allows it.

        Some registries (Apicurio) only say no; `freshet.schemas.compatibility` can say why.
        """
        if not self.versions(subject):
            return []
        path = f"/compatibility/subjects/{subject}/versions?verbose=true"
        answer = self._call("POST", path, {"schema": schema})
        if answer["is_compatible"]:
            return []
        return [str(message) for message in answer.get("messages") or [NO_REASON]]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = json.dumps(body).encode() if body is not None else None
        try:
            with httpx.Client(transport=self.transport, timeout=self.timeout_s) as client:
                headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE}
                response = client.request(method, self.url + path, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = f"The schema registry at {self.url} does not answer ({str(error) or type(error).__name__})"
            raise RegistryUnreachable(f"{text}; start it with `freshet up` or set FRESHET_REGISTRY__URL.") from None
        return self._answer(response)

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        reason = _reason(response)
        if response.status_code == 404:
            raise SchemaNotFound(reason)
        if response.status_code in (409, 422):
            raise SchemaRefused(reason)
        raise RegistryUnreachable(f"The schema registry at {self.url} answered {response.status_code}: {reason}")


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:300]
    if not isinstance(body, dict):
        return str(body)[:300]
    return JAVA_CLASS.sub("", str(body.get("message") or body.get("detail") or body))
