package freshet.trends;

import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * Items that one user visits within {@code n} steps of each other: the later ones in the row of the earlier one, and the other
 * way round for less or not at all.
 *
 * <p>A visit that comes late takes its place among the others: pairs that it stands between are farther apart than before, and
 * their counts are put right. So rows say what they would say if it had come in time.
 */
final class Pairs extends Trend {
    private final int n;
    private final int slack;
    private final double[] shares; // of a pair so many steps apart; 0 beyond n
    private final double backwards; // what the earlier item counts for in the row of the later one

    Pairs(JsonNode json, RowKind rows) {
        super(json, rows);
        n = json.get("n").asInt();
        slack = json.get("slack").asInt();
        backwards = json.get("backwards").asDouble();
        double beyond = json.get("beyond").asDouble();
        shares = new double[n + 2];
        for (int gap = 1; gap <= n; gap++) {
            shares[gap] = (beyond + 1) / (beyond + gap);
        }
    }

    @Override
    boolean see(Visit visit, String[] contexts, History history, Bundle bundle) {
        int at = history.insert(visit, slack);
        if (at == History.TOO_LATE) {
            return false;
        }
        List<Visit> visits = history.visits;
        DecayedRow own = bundle.row(rows, visit.item);
        own.touch(visit.time, 1);
        own.addTotal(visit.weight, bundle.growth(rows, visit.time));
        for (int gap = 1; gap <= n; gap++) {
            if (at >= gap) {
                pair(visits.get(at - gap), visit, shares[gap], 1, bundle);
            }
            if (at + gap < visits.size()) {
                pair(visit, visits.get(at + gap), shares[gap], 1, bundle);
            }
        }
        for (int before = at - 1; before >= Math.max(0, at - n); before--) {
            for (int after = at + 1; after < visits.size() && after - before - 1 <= n; after++) {
                int gap = after - before;
                pair(visits.get(before), visits.get(after), shares[gap] - shares[gap - 1], gap > n ? -1 : 0, bundle);
            }
        }
        history.cut(n + slack);
        return true;
    }

    private void pair(Visit first, Visit second, double share, int events, Bundle bundle) {
        if (share != 0.0 || events != 0) {
            double weight = share * second.weight;
            add(first.item, second.item, weight, second.time, events, bundle);
            if (backwards > 0.0) {
                add(second.item, first.item, weight * backwards, second.time, events, bundle);
            }
        }
    }

    private void add(String key, String member, double weight, long time, int events, Bundle bundle) {
        DecayedRow row = bundle.row(rows, key);
        row.touch(time, events);
        if (!member.equals(key)) {
            row.add(member, weight, bundle.growth(rows, time));
        }
    }
}
