package freshet.trends;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * Sessions as lists of items. One is over when an event of the same user comes that is more than {@code gap} later, or when none
 * has come for that long by the clock; so a replay of the past cuts its sessions where they were cut.
 */
final class Sessions extends Trend {
    final long gap;
    private final int longest;
    private final int shortest;

    Sessions(JsonNode json, RowKind rows) {
        super(json, rows);
        gap = json.get("gap_ms").asLong();
        longest = json.get("n").asInt();
        shortest = json.get("shortest").asInt();
    }

    @Override
    boolean see(Visit visit, String[] contexts, History history, Bundle bundle) {
        if (!history.visits.isEmpty() && history.visits.get(0).time - visit.time > gap) {
            return false;
        }
        if (!history.visits.isEmpty() && visit.time - history.last().time > gap) {
            end(history, bundle);
        }
        history.insert(visit, Integer.MAX_VALUE);
        history.cut(longest);
        return true;
    }

    /** Ends the session that stands in a history. Its key is what it holds, so that a replay gives the same one. */
    void end(History history, Bundle bundle) {
        long endedAt = history.last().time;
        List<String> items = items(history.visits);
        history.clear();
        history.quietAt = 0;
        if (items.size() < shortest) {
            return; // it says nothing of what goes with what
        }
        StringBuilder json = new StringBuilder(256).append("{\"end\":").append(endedAt).append(",\"items\":");
        Json.array(json, items.size(), at -> Json.text(json, items.get(at)));
        bundle.touch(rows, json.append('}').toString(), endedAt, 1);
    }

    /** Returns each item once, in the order of the last visits to them. */
    private static List<String> items(List<Visit> visits) {
        Set<String> newestFirst = new LinkedHashSet<>();
        for (int at = visits.size() - 1; at >= 0; at--) {
            newestFirst.add(visits.get(at).item);
        }
        List<String> items = new ArrayList<>(newestFirst);
        Collections.reverse(items);
        return items;
    }
}
