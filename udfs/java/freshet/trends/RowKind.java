package freshet.trends;

import java.io.Serializable;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/** What the rows of one name have in common; {@code at} is its place among all kinds of this job. */
final class RowKind implements Serializable {
    private static final long EVENTS = 25; // a row of so many waits twice as long as a new one

    final int at;
    final String id;
    final String name;
    final double[] halfLives;
    final int keep;
    final int emit;
    final int capacity; // of a set; 0 for rows of counts
    final boolean isRemembered; // false: what comes is passed on
    private final long everyMs;
    private final long slowestMs;

    RowKind(int at, JsonNode json) {
        this.at = at;
        id = json.get("id").asText();
        name = json.get("name").asText();
        halfLives = new double[json.get("half_lives_ms").size()];
        for (int life = 0; life < halfLives.length; life++) {
            halfLives[life] = json.get("half_lives_ms").get(life).asDouble();
        }
        keep = json.get("keep").asInt();
        emit = json.get("emit").asInt();
        capacity = json.get("capacity").asInt();
        isRemembered = json.get("remembered").asBoolean();
        everyMs = json.get("every_ms").asLong();
        slowestMs = json.get("slowest_ms").asLong();
    }

    /** Returns how long a row that has changed waits: the longer, the less one event changes it. */
    long waitMs(long events) {
        return Math.min(slowestMs, everyMs + everyMs * events / EVENTS);
    }
}
