package freshet.trends;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/** When each item was seen first: its row has a first time, and no counts. */
final class FirstSeen extends Trend {
    FirstSeen(JsonNode json, RowKind rows) {
        super(json, rows);
    }

    @Override
    boolean hasHistory() {
        return false;
    }

    @Override
    boolean see(Visit visit, String[] contexts, History history, Bundle bundle) {
        bundle.touch(rows, visit.item, visit.time, 1);
        return true;
    }
}
