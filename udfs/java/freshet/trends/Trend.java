package freshet.trends;

import java.io.Serializable;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/** How events become rows; the subclasses are the ways that `udfs/trends.py` declares. */
abstract class Trend implements Serializable {
    final String id;
    final int weight; // the column of what an event weighs; null there: it does not count
    final int[] by; // columns of what it counts for: keys of rows, or its basket
    final RowKind rows;

    Trend(JsonNode json, RowKind rows) {
        id = json.get("id").asText();
        weight = json.get("weight").asInt();
        by = new int[json.get("by").size()];
        for (int at = 0; at < by.length; at++) {
            by[at] = json.get("by").get(at).asInt();
        }
        this.rows = rows;
    }

    /** Tells whether it keeps a history of each user. */
    boolean hasHistory() {
        return true;
    }

    /** Adds what a visit brings; false if it has come too late for that. Contexts stand in the order of {@link #by}. */
    abstract boolean see(Visit visit, String[] contexts, History history, Bundle bundle);
}
