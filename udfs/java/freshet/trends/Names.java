package freshet.trends;

import java.util.HashMap;
import java.util.Map;

/** One text for all that are equal: a member of many rows takes its room once, and is near when they are written. */
final class Names {
    private static final int MOST = 200_000;

    private final Map<String, String> known = new HashMap<>();

    String one(String name) {
        if (known.size() >= MOST) {
            known.clear();
        }
        String first = known.putIfAbsent(name, name);
        return first == null ? name : first;
    }
}
