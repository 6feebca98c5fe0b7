package freshet.trends;

import java.util.function.IntConsumer;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.io.JsonStringEncoder;

/** JSON as it is written into the store. */
final class Json {
    private Json() {}

    static void text(StringBuilder json, String text) {
        json.append('"');
        if (isPlain(text)) {
            json.append(text);
        } else {
            JsonStringEncoder.getInstance().quoteAsString(text, json);
        }
        json.append('"');
    }

    private static boolean isPlain(String text) {
        for (int at = 0; at < text.length(); at++) {
            char one = text.charAt(at);
            if (one < ' ' || one == '"' || one == '\\') {
                return false;
            }
        }
        return true;
    }

    static void array(StringBuilder json, int size, IntConsumer element) {
        json.append('[');
        for (int at = 0; at < size; at++) {
            if (at > 0) {
                json.append(',');
            }
            element.accept(at);
        }
        json.append(']');
    }
}
