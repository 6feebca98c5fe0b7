package freshet.trends;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/** Items by what their events weigh: in a row for everybody, and in one for each category, region or whatever else is told. */
final class Popular extends Trend {
    Popular(JsonNode json, RowKind rows) {
        super(json, rows);
    }

    @Override
    boolean hasHistory() {
        return false;
    }

    @Override
    boolean see(Visit visit, String[] contexts, History history, Bundle bundle) {
        for (String key : contexts) {
            if (key != null) {
                DecayedRow row = bundle.row(rows, key);
                double[] growth = bundle.growth(rows, visit.time);
                row.touch(visit.time, 1);
                row.addTotal(visit.weight, growth);
                row.add(visit.item, visit.weight, growth);
            }
        }
        return true;
    }
}
